//! `POST /v1/reservations`, live and as a dry run.

use std::sync::Arc;
use std::time::Duration;

use cycles_ledger::{Refusal, Reserve, Reserved, reserve};
use cycles_protocol::canonical::payload_hash_with;
use cycles_protocol::strict::Validate;
use cycles_protocol::{
    Amount, Caps, Decision, Error, ErrorCode, Permission, Principal, ReservationCreateRequest,
    ReservationCreateResponse, ReservationId, limits as wire, scope,
};
use uuid::Uuid;

use super::{Asked, decision};
use crate::store::{
    Endpoint, Record, ReplayKey, Slots, Snapshot, Stored, TenantState, Work, mismatch,
};
use crate::{Engine, access, ids, limits};

/// A request with what was derived from it.
struct Create<'r> {
    request: &'r ReservationCreateRequest,
    scopes: Vec<String>,
    slots: Slots,
    hash: cycles_protocol::canonical::PayloadHash,
    now: i64,
}

impl Engine {
    pub(crate) fn create_reservation_now(
        &self,
        principal: &Principal,
        request: &ReservationCreateRequest,
    ) -> Result<ReservationCreateResponse, Error> {
        let caller = access::tenant(principal)?;
        request.validate()?;
        caller.require(&[Permission::ReservationsCreate])?;
        caller.covers(&request.subject)?;
        // decision: "Idempotency payload hash"; these two defaults, no others
        let hash = payload_hash_with(
            request,
            [("grace_period_ms", wire::GRACE_MS_DEFAULT.into()), ("dry_run", false.into())],
        );
        let scopes = scope::derive(&request.subject, caller.tenant_id);

        let tenant = self.tenant(caller.tenant_id)?;
        let (mut state, now) = self.turn(&tenant)?;
        if let Some(id) = state.recall_key(&request.idempotency_key, now)? {
            self.owners().insert(id, Arc::clone(&tenant));
        }
        if let Some((id, record)) = state.reservations.by_key(&request.idempotency_key) {
            if record.hash != hash {
                return Err(mismatch(&request.idempotency_key));
            }
            let scopes = record.scopes(&tenant.id);
            return Ok(response(&state, id, record, scopes, now));
        }
        let key = ReplayKey::new(Endpoint::Create, 0, request.idempotency_key.clone());
        state.recall_replay(&key, now)?;
        if let Some(Stored::Create(answer)) = state.replays.find(&key, &hash, now)? {
            return Ok((**answer).clone());
        }
        let slots = state.budgets.slots(&scopes, request.estimate.unit);
        let create = Create { request, scopes, slots, hash, now };
        if create.request.is_dry_run() {
            let answer = create.evaluate(&state)?;
            let stored = Stored::Create(Arc::new(answer.clone()));
            let until = now.saturating_add(limits::DECISION_REPLAY_MS);
            state.replays.insert(key, hash, stored, now, until);
            return Ok(answer);
        }
        let (id, answer) = create.hold(self, &mut state)?;
        self.owners().insert(id, Arc::clone(&tenant));
        Ok(answer)
    }
}

impl Create<'_> {
    const fn asked(&self) -> Asked<'_> {
        Asked {
            scopes: self.scopes.as_slice(),
            slots: &self.slots,
            unit: self.request.estimate.unit,
            now: self.now,
        }
    }

    fn decide(&self, state: &TenantState) -> Result<(Reserved, Option<Arc<Caps>>), Refusal> {
        let command = Reserve {
            unit: self.request.estimate.unit,
            estimate: self.request.estimate.amount,
            ttl_ms: self.request.ttl_ms,
            grace_ms: self.request.grace_period_ms,
            overage_policy: self.request.overage_policy,
        };
        let policy = state.policies.in_force(&self.scopes, self.now);
        let terms = policy.map(|policy| policy.terms).unwrap_or_default();
        let budgets = state.budgets.load(&self.slots);
        let reserved = reserve::reserve(&state.settings, &terms, &budgets, &command, self.now)?;
        let caps = state.caps(policy, &self.slots, &reserved.budgets);
        Ok((reserved, caps))
    }

    /// spec: DRY-RUN RESPONSE RULES
    fn evaluate(&self, state: &TenantState) -> Result<ReservationCreateResponse, Error> {
        let mut answer = ReservationCreateResponse::new(Decision::Deny, self.scopes.clone());
        match self.decide(state) {
            Ok((_, caps)) => {
                answer.decision = decision(caps.as_deref());
                answer.reserved = Some(self.request.estimate);
                answer.caps = caps.map(Arc::unwrap_or_clone);
            }
            Err(refusal) => {
                let denial = self.asked().deny(refusal, state)?;
                answer.reason_code = Some(denial.reason_code.to_owned());
                answer.retry_after_ms = denial.retry_after_ms;
            }
        }
        answer.balances = Some(state.budgets.live_balances(&self.slots));
        Ok(answer)
    }

    fn hold(
        self,
        engine: &Engine,
        state: &mut TenantState,
    ) -> Result<(Uuid, ReservationCreateResponse), Error> {
        let (reserved, caps) =
            self.decide(state).map_err(|refusal| self.asked().refuse(refusal, state))?;
        if state.reservations.open() >= limits::ACTIVE_MAX {
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!("too many open reservations of this tenant max={}", limits::ACTIVE_MAX),
            )
            .retry_after_hint(Duration::from_secs(limits::RETRY_AFTER_SECONDS)));
        }
        let id = ids::fresh(&**engine.random(), self.now, |id| engine.owners().contains_key(&id))?;
        let record = Record {
            reservation: reserved.reservation,
            slots: self.slots,
            work: Work::new(&self.request.subject, &self.request.action),
            metadata: self.request.metadata.clone().map(Box::new),
            key: self.request.idempotency_key.as_str().into(),
            hash: self.hash,
            caps,
            first_expires_at: reserved.reservation.expires_at,
            first_budgets: Snapshot::of(&reserved.budgets),
            settlement: None,
        };
        let answer = response(state, id, &record, self.scopes, self.now);
        state.budgets.store(&record.slots, &reserved.budgets);
        state.reservations.insert(id, record);
        Ok((id, answer))
    }
}

/// What a live reserve answers, now or on a replay: only `remaining_ttl_ms` is
/// new each time (spec: IDEMPOTENCY). It counts from the first expiry, so that
/// it never says more than the lease that was answered.
fn response(
    state: &TenantState,
    id: Uuid,
    record: &Record,
    scopes: Vec<String>,
    now: i64,
) -> ReservationCreateResponse {
    let mut answer = ReservationCreateResponse::new(decision(record.caps.as_deref()), scopes);
    let first =
        cycles_ledger::Reservation { expires_at: record.first_expires_at, ..record.reservation };
    answer.reservation_id = Some(ReservationId::new(ids::reservation(id)));
    answer.reserved = Some(Amount::new(first.unit, first.estimate));
    answer.expires_at_ms = Some(first.expires_at);
    answer.remaining_ttl_ms = Some(first.remaining_ttl_ms(now));
    answer.caps = record.caps.as_deref().cloned();
    answer.balances = Some(state.budgets.balances(&record.slots, record.first_budgets.iter()));
    answer
}
