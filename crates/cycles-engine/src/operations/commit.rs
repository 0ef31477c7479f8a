//! `POST /v1/reservations/{id}/commit`

use cycles_ledger::commit;
use cycles_protocol::canonical::payload_hash;
use cycles_protocol::strict::Validate;
use cycles_protocol::{
    CommitRequest, CommitResponse, CommitStatus, Error, Permission, Principal, ReservationId,
};

use crate::store::{Record, Settled, Settlement, Snapshot, TenantState, mismatch};
use crate::{Engine, access};

impl Engine {
    pub(crate) fn commit_now(
        &self,
        principal: &Principal,
        id: &ReservationId,
        request: &CommitRequest,
    ) -> Result<CommitResponse, Error> {
        let caller = access::tenant(principal)?;
        request.validate()?;
        caller.require(&[Permission::ReservationsCommit])?;
        let hash = payload_hash(request);

        let (tenant, uuid) = self.owner(id)?;
        caller.owns(&tenant.id)?;
        let (mut state, now) = self.turn_on(&tenant, uuid)?;
        let record = state.reservation(uuid, id)?;
        caller.covers_work(&record.work)?;
        if let Some(settlement) = record.settled_by(Settled::Commit, &request.idempotency_key) {
            if settlement.hash != hash {
                return Err(mismatch(&request.idempotency_key));
            }
            return Ok(response(&state, record, settlement));
        }
        let slots = record.slots;
        let budgets = state.budgets.load(&slots);
        let actual = request.actual;
        let done = commit::commit(&state.settings, &budgets, &record.reservation, actual, now)
            .map_err(|refusal| {
                let scopes = record.scopes(&tenant.id);
                state.refuse(refusal, &scopes, actual.unit)
            })?;
        let settlement = Settlement {
            by: Settled::Commit,
            key: request.idempotency_key.clone(),
            hash,
            charged: done.charged,
            released: done.released,
            budgets: Snapshot::of(&done.budgets),
            metadata: request.metadata.clone(),
        };
        let answer = response(&state, record, &settlement);
        state.budgets.store(&slots, &done.budgets);
        state.reservations.update(uuid, done.reservation, Some(settlement));
        Ok(answer)
    }
}

fn response(state: &TenantState, record: &Record, settlement: &Settlement) -> CommitResponse {
    CommitResponse {
        status: CommitStatus::Committed,
        charged: record.amount(settlement.charged),
        released: (settlement.released > 0).then(|| record.amount(settlement.released)),
        balances: Some(state.budgets.balances(&record.slots, settlement.budgets.iter())),
        cycles_evidence: None,
        recovered_via_event: None,
    }
}
