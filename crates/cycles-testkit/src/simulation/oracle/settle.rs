//! What becomes of a reservation: commit, release, extend, get.

use cycles_protocol::control::TenantStatus;
use cycles_protocol::{
    Amount, CommitRequest, CommitResponse, CommitStatus, ErrorCode, ExtendRequest, ExtendResponse,
    ExtendStatus, Permission, ReleaseRequest, ReleaseResponse, ReleaseStatus, ReservationId,
};

use super::access::Key;
use super::replay::{Payload, Place};
use super::reservation::End;
use super::{Oracle, Ruling, Serial, no, validity};
use crate::simulation::answer::Answer;
use crate::simulation::command::Caller;

impl Oracle {
    /// spec: one that never existed is 404, another tenant's is 403. An
    /// operator, who has no key, may have any.
    fn find(&mut self, key: Option<&Key>, id: &ReservationId, now: i64) -> Result<Serial, Answer> {
        let serial = *self.by_id.get(id).ok_or_else(|| no(ErrorCode::NotFound))?;
        let owner = self.records[&serial].tenant;
        if key.is_some_and(|key| key.tenant != owner) {
            return Err(no(ErrorCode::Forbidden));
        }
        self.look(owner, now);
        // It may just have gone past its retention.
        let record = self.records.get(&serial).ok_or_else(|| no(ErrorCode::NotFound))?;
        if let Some(key) = key {
            key.covers(&self.tenants[owner].id, &record.request.subject)?;
        }
        Ok(serial)
    }

    /// Semantics 2.3, the checks that all three share.
    fn may_change(&self, serial: Serial) -> Result<(), Answer> {
        let record = &self.records[&serial];
        if self.tenants[record.tenant].status == TenantStatus::Closed {
            return Err(no(ErrorCode::TenantClosed));
        }
        match record.end {
            None => Ok(()),
            Some(End::Expired { .. }) => Err(no(ErrorCode::ReservationExpired)),
            Some(End::Committed { .. } | End::Released { .. }) => {
                Err(no(ErrorCode::ReservationFinalized))
            }
        }
    }

    fn finish(&mut self, serial: Serial, end: End) {
        if let Some(record) = self.records.get_mut(&serial) {
            record.end = Some(end);
            let tenant = &mut self.tenants[record.tenant];
            tenant.open.remove(&serial);
            tenant.ended.push_back(serial);
        }
    }

    pub(super) fn commit(
        &mut self,
        caller: Caller,
        id: &ReservationId,
        request: &CommitRequest,
        now: i64,
    ) -> Ruling {
        let key = self.key(caller)?;
        validity::commit(request)?;
        key.may(&[Permission::ReservationsCommit])?;
        let serial = self.find(Some(&key), id, now)?;
        let record = &self.records[&serial];
        if let Some(End::Committed { request: first, answer, .. }) = &record.end
            && first.idempotency_key == request.idempotency_key
        {
            if first != request {
                return Err(no(ErrorCode::IdempotencyMismatch));
            }
            return Ok(Answer::Commit(answer.clone()));
        }
        self.may_change(serial)?;
        let (tenant, estimate) = (record.tenant, record.request.estimate);
        if request.actual.unit != estimate.unit {
            return Err(no(ErrorCode::UnitMismatch));
        }
        let budgets = record.holds_on.clone();
        let held = Some(estimate.amount);
        let actual = request.actual.amount;
        let charge = self.charge(tenant, &budgets, record.overage_policy, held, actual)?;
        self.book(tenant, &charge);
        let amount = |amount| Amount::new(estimate.unit, amount);
        let mut answer = CommitResponse {
            status: CommitStatus::Committed,
            charged: amount(charge.charged),
            // semantics 2.6: only if charged < estimate
            released: (charge.charged < estimate.amount)
                .then(|| amount(estimate.amount - charge.charged)),
            balances: None,
            cycles_evidence: None,
            recovered_via_event: None,
        };
        let end = |answer| End::Committed { at: now, request: request.clone(), answer };
        self.finish(serial, end(answer.clone()));
        answer.balances = Some(self.balances_of(tenant, &budgets));
        if let Some(record) = self.records.get_mut(&serial) {
            record.end = Some(end(answer.clone()));
        }
        Ok(Answer::Commit(answer))
    }

    pub(super) fn release(
        &mut self,
        caller: Caller,
        id: &ReservationId,
        request: &ReleaseRequest,
        now: i64,
    ) -> Ruling {
        let key = self.key_or_admin(caller)?;
        validity::release(request)?;
        if let Some(key) = &key {
            key.may(&[Permission::ReservationsRelease])?;
        }
        let serial = self.find(key.as_ref(), id, now)?;
        let record = &self.records[&serial];
        if let Some(End::Released { request: first, answer, .. }) = &record.end
            && first.idempotency_key == request.idempotency_key
        {
            if first != request {
                return Err(no(ErrorCode::IdempotencyMismatch));
            }
            return Ok(Answer::Release(answer.clone()));
        }
        self.may_change(serial)?;
        let (tenant, budgets) = (record.tenant, record.holds_on.clone());
        let mut answer = ReleaseResponse {
            status: ReleaseStatus::Released,
            released: record.request.estimate,
            balances: None,
            cycles_evidence: None,
        };
        let end = |answer| End::Released { at: now, request: request.clone(), answer };
        self.finish(serial, end(answer.clone()));
        answer.balances = Some(self.balances_of(tenant, &budgets));
        if let Some(record) = self.records.get_mut(&serial) {
            record.end = Some(end(answer.clone()));
        }
        Ok(Answer::Release(answer))
    }

    pub(super) fn extend(
        &mut self,
        caller: Caller,
        id: &ReservationId,
        request: &ExtendRequest,
        now: i64,
    ) -> Ruling {
        let key = self.key(caller)?;
        validity::extend(request)?;
        key.may(&[Permission::ReservationsExtend])?;
        let serial = self.find(Some(&key), id, now)?;
        let record = &self.records[&serial];
        let tenant = record.tenant;
        let place = Place::Extend(serial);
        let payload = Payload::Extend(request.clone());
        let replays = &self.tenants[tenant].replays;
        if let Some(mut answer) = replays.find(place, &request.idempotency_key, &payload, now)? {
            if let Answer::Extend(answer) = &mut answer {
                let ttl = record.remaining_ttl_ms(answer.expires_at_ms, now);
                answer.remaining_ttl_ms = Some(ttl);
            }
            return Ok(answer);
        }
        self.may_change(serial)?;
        // spec: extend has no grace
        if now > record.expires_at {
            return Err(no(ErrorCode::ReservationExpired));
        }
        if record.extensions >= self.tenants[tenant].extensions_max {
            return Err(no(ErrorCode::MaxExtensionsExceeded));
        }
        // spec: relative to the current expiry, and not cut to any maximum
        let expires_at_ms = record.expires_at + request.extend_by_ms;
        let until = expires_at_ms + record.grace_ms();
        let answer = Answer::Extend(ExtendResponse {
            status: ExtendStatus::Active,
            expires_at_ms,
            remaining_ttl_ms: Some(expires_at_ms - now),
            balances: Some(self.balances_of(tenant, &record.holds_on)),
        });
        if let Some(record) = self.records.get_mut(&serial) {
            record.expires_at = expires_at_ms;
            record.extensions += 1;
        }
        let key = request.idempotency_key.clone();
        let replays = &mut self.tenants[tenant].replays;
        // semantics 2.10: as long as the lease that it granted
        replays.keep(Place::Extend(serial), key, payload, &answer, until);
        Ok(answer)
    }

    pub(super) fn get(&mut self, caller: Caller, id: &ReservationId, now: i64) -> Ruling {
        let key = self.key_or_admin(caller)?;
        if let Some(key) = &key {
            key.may(&[Permission::ReservationsList])?;
        }
        let serial = self.find(key.as_ref(), id, now)?;
        let record = &self.records[&serial];
        // spec: getReservation, EXPIRY
        if matches!(record.end, Some(End::Expired { .. })) {
            return Err(no(ErrorCode::ReservationExpired));
        }
        Ok(Answer::Get(Box::new(record.detail())))
    }
}
