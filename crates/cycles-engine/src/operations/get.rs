//! `GET /v1/reservations/{id}`

use cycles_ledger::{Refusal, State};
use cycles_protocol::{Error, Permission, Principal, ReservationDetail, ReservationId};

use crate::{Engine, access};

impl Engine {
    pub(crate) fn get_reservation_now(
        &self,
        principal: &Principal,
        id: &ReservationId,
    ) -> Result<ReservationDetail, Error> {
        let access = access::tenant_or_admin(principal)?;
        access.require(&[Permission::ReservationsList])?;
        let (tenant, uuid) = self.owner(id)?;
        access.owns(&tenant.id)?;
        let (state, _) = self.turn_on(&tenant, uuid)?;
        let record = state.reservation(uuid, id)?;
        access.covers_work(&record.work)?;
        // spec: EXPIRY; only this read answers 410, the listing shows the row
        if matches!(record.reservation.state, State::Expired { .. }) {
            let expired = Refusal::Expired { expired_at: record.reservation.expires_at };
            return Err(state.refuse(expired, &[], record.reservation.unit));
        }
        Ok(record.detail(uuid, &tenant.id))
    }
}
