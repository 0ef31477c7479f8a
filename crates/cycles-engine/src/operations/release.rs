//! `POST /v1/reservations/{id}/release`, by the tenant or by an operator.

use cycles_ledger::release;
use cycles_protocol::canonical::payload_hash;
use cycles_protocol::strict::Validate;
use cycles_protocol::{
    Call, Error, Permission, ReleaseRequest, ReleaseResponse, ReleaseStatus, ReservationId,
};

use crate::store::{Record, Settled, Settlement, Snapshot, TenantState, mismatch};
use crate::{Engine, access};

impl Engine {
    pub(crate) fn release_now(
        &self,
        call: &Call,
        id: &ReservationId,
        request: ReleaseRequest,
    ) -> Result<ReleaseResponse, Error> {
        let access = access::tenant_or_admin(&call.principal)?;
        request.validate()?;
        access.require(&[Permission::ReservationsRelease])?;
        let hash = payload_hash(&request);

        let (tenant, uuid) = self.owner(id)?;
        access.owns(&tenant.id)?;
        let (mut state, now) = self.turn(&tenant)?;
        let record = state.reservation(uuid, id)?;
        access.covers_work(&record.work)?;
        if let Some(settlement) = record.settled_by(Settled::Release, &request.idempotency_key) {
            if settlement.hash != hash {
                return Err(mismatch(&request.idempotency_key));
            }
            return Ok(response(&state, record, settlement));
        }
        let slots = record.slots;
        let budgets = state.budgets.load(&slots);
        let done = release::release(&state.settings, &budgets, &record.reservation, now).map_err(
            |refusal| {
                let scopes = record.scopes(&tenant.id);
                state.refuse(refusal, &scopes, record.reservation.unit)
            },
        )?;
        let settlement = Settlement {
            by: Settled::Release,
            key: request.idempotency_key,
            hash,
            charged: 0,
            released: record.reservation.estimate,
            budgets: Snapshot::of(&done.budgets),
            metadata: None,
        };
        let answer = response(&state, record, &settlement);
        state.budgets.store(&slots, &done.budgets);
        state.reservations.update(uuid, done.reservation, Some(settlement));
        Ok(answer)
    }
}

fn response(state: &TenantState, record: &Record, settlement: &Settlement) -> ReleaseResponse {
    ReleaseResponse {
        status: ReleaseStatus::Released,
        released: record.amount(settlement.released),
        balances: Some(state.budgets.balances(&record.slots, settlement.budgets.iter())),
        cycles_evidence: None,
    }
}
