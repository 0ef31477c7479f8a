//! `POST /v1/reservations`, live and as a dry run.

use std::sync::Arc;

use cycles_ledger::{Reserve, Reserved, reserve};
use cycles_protocol::canonical::payload_hash;
use cycles_protocol::strict::Validate;
use cycles_protocol::{
    Amount, Call, Decision, Error, ErrorCode, Permission, ReservationCreateRequest,
    ReservationCreateResponse, ReservationId, limits as wire, scope,
};
use uuid::Uuid;

use super::{name_missing, refuse};
use crate::store::{Endpoint, Record, ReplayKey, Slots, Stored, TenantState, mismatch, snapshot};
use crate::{Engine, access, ids, limits};

/// A request with what was derived from it.
struct Create {
    request: ReservationCreateRequest,
    scopes: Vec<String>,
    slots: Slots,
    hash: cycles_protocol::canonical::PayloadHash,
    now: i64,
}

impl Engine {
    pub(crate) fn create_reservation_now(
        &self,
        call: &Call,
        mut request: ReservationCreateRequest,
    ) -> Result<ReservationCreateResponse, Error> {
        let caller = access::tenant(&call.principal)?;
        request.validate()?;
        caller.require(&[Permission::ReservationsCreate])?;
        caller.covers(&request.subject)?;
        // decision: "Idempotency payload hash"; these two defaults, no others
        request.grace_period_ms.get_or_insert(wire::GRACE_MS_DEFAULT);
        request.dry_run.get_or_insert(false);
        let hash = payload_hash(&request);
        let scopes = scope::derive(&request.subject, caller.tenant_id);

        let tenant = self.tenant(caller.tenant_id)?;
        let (mut state, now) = self.turn(&tenant)?;
        if let Some((id, record)) = state.reservations.by_key(&request.idempotency_key) {
            if record.hash != hash {
                return Err(mismatch(&request.idempotency_key));
            }
            return Ok(response(&state, id, record, now));
        }
        let key = ReplayKey::new(Endpoint::Create, 0, request.idempotency_key.clone());
        if let Some(Stored::Create(answer)) = state.replays.find(&key, &hash, now)? {
            return Ok((**answer).clone());
        }
        let slots = state.budgets.slots(&scopes, request.estimate.unit);
        let create = Create { request, scopes, slots, hash, now };
        if create.request.is_dry_run() {
            let answer = create.evaluate(&state)?;
            let stored = Stored::Create(Box::new(answer.clone()));
            let until = now.saturating_add(limits::DECISION_REPLAY_MS);
            state.replays.insert(key, hash, stored, now, until);
            return Ok(answer);
        }
        let (id, answer) = create.hold(self, &mut state)?;
        self.owners().insert(id, Arc::clone(&tenant));
        Ok(answer)
    }
}

impl Create {
    fn decide(&self, state: &TenantState) -> Result<Reserved, cycles_ledger::Refusal> {
        let command = Reserve {
            unit: self.request.estimate.unit,
            estimate: self.request.estimate.amount,
            ttl_ms: self.request.ttl_ms,
            grace_ms: self.request.grace_period_ms,
            overage_policy: self.request.overage_policy,
        };
        reserve::reserve(&state.settings, &state.budgets.load(&self.slots), &command, self.now)
    }

    /// spec: DRY-RUN RESPONSE RULES
    fn evaluate(&self, state: &TenantState) -> Result<ReservationCreateResponse, Error> {
        let denial = match self.decide(state) {
            Ok(_) => None,
            Err(refusal) => {
                let refusal = name_missing(refusal, state, &self.scopes);
                let reason = refusal.reason_code();
                if reason.is_none() {
                    return Err(state.refuse(refusal, &self.scopes, self.request.estimate.unit));
                }
                reason
            }
        };
        let decision = if denial.is_some() { Decision::Deny } else { Decision::Allow };
        let mut answer = ReservationCreateResponse::new(decision, self.scopes.clone());
        answer.reserved = denial.is_none().then_some(self.request.estimate);
        answer.reason_code = denial.map(str::to_owned);
        let budgets = snapshot(&state.budgets.load(&self.slots));
        answer.balances = Some(state.budgets.balances(&self.slots, &budgets));
        Ok(answer)
    }

    fn hold(
        self,
        engine: &Engine,
        state: &mut TenantState,
    ) -> Result<(Uuid, ReservationCreateResponse), Error> {
        let unit = self.request.estimate.unit;
        let reserved =
            self.decide(state).map_err(|refusal| refuse(refusal, state, &self.scopes, unit))?;
        if state.reservations.open() >= limits::ACTIVE_MAX {
            return Err(Error::new(
                ErrorCode::LimitExceeded,
                format!("too many open reservations of this tenant max={}", limits::ACTIVE_MAX),
            ));
        }
        let id = ids::fresh(&**engine.random(), |id| engine.owners().contains_key(&id))?;
        let record = Record {
            reservation: reserved.reservation,
            slots: self.slots,
            subject: self.request.subject,
            action: self.request.action,
            metadata: self.request.metadata,
            key: self.request.idempotency_key,
            hash: self.hash,
            first_expires_at: reserved.reservation.expires_at,
            first_budgets: snapshot(&reserved.budgets),
            settlement: None,
        };
        let answer = response(state, id, &record, self.now);
        state.budgets.store(&record.slots, &reserved.budgets);
        state.reservations.insert(id, record);
        Ok((id, answer))
    }
}

/// What a live reserve answers, now or on a replay: only `remaining_ttl_ms` is
/// new each time (spec: IDEMPOTENCY). It counts from the first expiry, so that
/// it never says more than the lease that was answered.
fn response(state: &TenantState, id: Uuid, record: &Record, now: i64) -> ReservationCreateResponse {
    let scopes = scope::derive(&record.subject, &state.record.tenant_id);
    let mut answer = ReservationCreateResponse::new(Decision::Allow, scopes);
    let first =
        cycles_ledger::Reservation { expires_at: record.first_expires_at, ..record.reservation };
    answer.reservation_id = Some(ReservationId::new(ids::reservation(id)));
    answer.reserved = Some(Amount::new(first.unit, first.estimate));
    answer.expires_at_ms = Some(first.expires_at);
    answer.remaining_ttl_ms = Some(first.remaining_ttl_ms(now));
    answer.balances = Some(state.budgets.balances(&record.slots, &record.first_budgets));
    answer
}
