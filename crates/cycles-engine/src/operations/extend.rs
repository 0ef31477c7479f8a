//! `POST /v1/reservations/{id}/extend`

use std::sync::Arc;

use cycles_ledger::{State, extend};
use cycles_protocol::canonical::payload_hash;
use cycles_protocol::strict::Validate;
use cycles_protocol::{
    Error, ExtendRequest, ExtendResponse, ExtendStatus, Permission, Principal, ReservationId,
};

use crate::store::{Endpoint, ReplayKey, Stored};
use crate::{Engine, access};

impl Engine {
    pub(crate) fn extend_now(
        &self,
        principal: &Principal,
        id: &ReservationId,
        request: ExtendRequest,
    ) -> Result<ExtendResponse, Error> {
        let caller = access::tenant(principal)?;
        request.validate()?;
        caller.require(&[Permission::ReservationsExtend])?;
        let hash = payload_hash(&request);

        let (tenant, uuid) = self.owner(id)?;
        caller.owns(&tenant.id)?;
        let (mut state, now) = self.turn_on(&tenant, uuid)?;
        let key = ReplayKey::new(Endpoint::Extend, uuid.as_u128(), request.idempotency_key);
        state.recall_replay(&key, now)?;
        let record = state.reservation(uuid, id)?;
        caller.covers_work(&record.work)?;
        if let Some(Stored::Extend(answer)) = state.replays.find(&key, &hash, now)? {
            let lead = answer.expires_at_ms.saturating_sub(now).max(0);
            let is_active = record.reservation.state == State::Active;
            let remaining_ttl_ms = Some(if is_active { lead } else { 0 });
            return Ok(ExtendResponse { remaining_ttl_ms, ..(**answer).clone() });
        }
        let after = extend::extend(&state.settings, &record.reservation, request.extend_by_ms, now)
            .map_err(|refusal| {
                let scopes = record.scopes(&tenant.id);
                state.refuse(refusal, &scopes, record.reservation.unit)
            })?
            .reservation;
        let answer = ExtendResponse {
            status: ExtendStatus::Active,
            expires_at_ms: after.expires_at,
            remaining_ttl_ms: Some(after.remaining_ttl_ms(now)),
            balances: Some(state.budgets.live_balances(&record.slots)),
        };
        state.reservations.update(uuid, after, None);
        let stored = Stored::Extend(Arc::new(answer.clone()));
        // semantics 2.10: for as long as the lease that it granted
        state.replays.insert(key, hash, stored, now, after.settles_until());
        Ok(answer)
    }
}
