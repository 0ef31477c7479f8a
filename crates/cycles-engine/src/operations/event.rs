//! `POST /v1/events`

use std::sync::Arc;

use cycles_ledger::event;
use cycles_protocol::canonical::payload_hash;
use cycles_protocol::strict::Validate;
use cycles_protocol::{
    Amount, Error, EventCreateRequest, EventCreateResponse, EventId, EventStatus, Permission,
    Principal, scope,
};

use super::Asked;
use crate::store::{Endpoint, ReplayKey, Snapshot, Stored};
use crate::{Engine, access, ids, limits};

impl Engine {
    pub(crate) fn create_event_now(
        &self,
        principal: &Principal,
        request: EventCreateRequest,
    ) -> Result<EventCreateResponse, Error> {
        let caller = access::tenant(principal)?;
        request.validate()?;
        caller.require(&[Permission::ReservationsCommit, Permission::EventsCreate])?;
        caller.covers(&request.subject)?;
        let hash = payload_hash(&request);
        let scopes = scope::derive(&request.subject, caller.tenant_id);

        let tenant = self.tenant(caller.tenant_id)?;
        let (mut state, now) = self.turn(&tenant)?;
        let key = ReplayKey::new(Endpoint::Event, 0, request.idempotency_key);
        state.recall_replay(&key, now)?;
        if let Some(Stored::Event(answer)) = state.replays.find(&key, &hash, now)? {
            return Ok((**answer).clone());
        }
        let Amount { unit, amount, .. } = request.actual;
        let slots = state.budgets.slots(&scopes, unit);
        let budgets = state.budgets.load(&slots);
        let policy = state.policies.in_force(&scopes, now);
        let terms = policy.map(|policy| policy.terms).unwrap_or_default();
        let applied =
            event::apply(&state.settings, &terms, &budgets, request.overage_policy, amount)
                .map_err(|refusal| {
                    Asked { scopes: &scopes, slots: &slots, unit, now }.refuse(refusal, &state)
                })?;
        let answer = EventCreateResponse {
            status: EventStatus::Applied,
            event_id: EventId::new(format!("evt_{}", ids::random(&**self.random()))),
            // semantics 2.6: only where the charge was capped
            charged: (applied.charged < amount).then(|| Amount::new(unit, applied.charged)),
            balances: Some(state.budgets.balances(&slots, Snapshot::of(&applied.budgets).iter())),
        };
        state.budgets.store(&slots, &applied.budgets);
        let stored = Stored::Event(Arc::new(answer.clone()));
        let until = now.saturating_add(limits::EVENT_REPLAY_MS);
        state.replays.insert(key, hash, stored, now, until);
        Ok(answer)
    }
}
