//! `POST /v1/reservations/{id}/release`, by the tenant or by an operator.

use cycles_ledger::release as ledger;
use cycles_protocol::canonical::payload_hash;
use cycles_protocol::control::AuditLogEntry;
use cycles_protocol::strict::Validate;
use cycles_protocol::{
    Call, Error, Permission, ReleaseRequest, ReleaseResponse, ReleaseStatus, ReservationId,
};
use uuid::Uuid;

use crate::access::Access;
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

        let (tenant, uuid) = self.owner(id)?;
        access.owns(&tenant.id)?;
        let (mut state, now) = self.turn_on(&tenant, uuid)?;
        let record = state.reservation(uuid, id)?;
        access.covers_work(&record.work)?;
        if matches!(access, Access::Tenant(_)) {
            return release(&mut state, uuid, id, request, now);
        }
        let mut entry = audit_entry(record, &tenant.id, id, &request);
        let outcome = release(&mut state, uuid, id, request, now);
        if let Err(error) = &outcome {
            entry.status = error.status().unwrap_or(500);
            entry.error_code = Some(error.code());
        }
        // Under the tenant's lock still: the log and the ledger agree.
        self.write_audit(entry, call, now);
        outcome
    }
}

/// spec: AUDIT (NORMATIVE, `AdminKeyAuth` path)
fn audit_entry(
    record: &Record,
    tenant: &str,
    id: &ReservationId,
    request: &ReleaseRequest,
) -> AuditLogEntry {
    let resource = ("reservation", id.to_string());
    let mut entry = AuditLogEntry::on_behalf_of(tenant, "releaseReservation", resource);
    entry.subject = Some(record.work.subject());
    entry.action = Some(record.work.action());
    entry.amount = Some(record.amount(record.reservation.estimate));
    if let Some(reason) = &request.reason {
        // A reason must not look like further lines of a log.
        let reason = reason.replace(['\r', '\n'], " ");
        entry.metadata.insert("reason".to_owned(), reason.into());
    }
    entry
}

fn release(
    state: &mut TenantState,
    uuid: Uuid,
    id: &ReservationId,
    request: ReleaseRequest,
    now: i64,
) -> Result<ReleaseResponse, Error> {
    let hash = payload_hash(&request);
    let record = state.reservation(uuid, id)?;
    if let Some(settlement) = record.settled_by(Settled::Release, &request.idempotency_key) {
        if settlement.hash != hash {
            return Err(mismatch(&request.idempotency_key));
        }
        return Ok(response(state, record, settlement));
    }
    let slots = record.slots;
    let budgets = state.budgets.load(&slots);
    let done = ledger::release(&state.settings, &budgets, &record.reservation, now).map_err(
        |refusal| {
            let scopes = record.scopes(&state.record.tenant_id);
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
    let answer = response(state, record, &settlement);
    state.budgets.store(&slots, &done.budgets);
    state.reservations.update(uuid, done.reservation, Some(settlement));
    Ok(answer)
}

fn response(state: &TenantState, record: &Record, settlement: &Settlement) -> ReleaseResponse {
    ReleaseResponse {
        status: ReleaseStatus::Released,
        released: record.amount(settlement.released),
        balances: Some(state.budgets.balances(&record.slots, settlement.budgets.iter())),
        cycles_evidence: None,
    }
}
