//! `POST /v1/decide`

use std::sync::Arc;

use cycles_ledger::reserve;
use cycles_protocol::canonical::payload_hash;
use cycles_protocol::strict::Validate;
use cycles_protocol::{
    Decision, DecisionRequest, DecisionResponse, Error, Permission, Principal, scope,
};

use super::{Asked, decision};
use crate::store::{Endpoint, ReplayKey, Stored};
use crate::{Engine, access, limits};

impl Engine {
    pub(crate) fn decide_now(
        &self,
        principal: &Principal,
        request: DecisionRequest,
    ) -> Result<DecisionResponse, Error> {
        let caller = access::tenant(principal)?;
        request.validate()?;
        caller.require(&[Permission::ReservationsCreate, Permission::Decide])?;
        caller.covers(&request.subject)?;
        let hash = payload_hash(&request);
        let scopes = scope::derive(&request.subject, caller.tenant_id);

        let tenant = self.tenant(caller.tenant_id)?;
        let (mut state, now) = self.turn(&tenant)?;
        let key = ReplayKey::new(Endpoint::Decide, 0, request.idempotency_key);
        state.recall_replay(&key, now)?;
        if let Some(Stored::Decide(answer)) = state.replays.find(&key, &hash, now)? {
            return Ok((**answer).clone());
        }
        let unit = request.estimate.unit;
        let slots = state.budgets.slots(&scopes, unit);
        let budgets = state.budgets.load(&slots);
        let mut answer = DecisionResponse {
            decision: Decision::Deny,
            caps: None,
            reason_code: None,
            retry_after_ms: None,
            affected_scopes: None,
            cycles_evidence: None,
        };
        match reserve::hold(&state.settings, &budgets, request.estimate.amount) {
            Ok(budgets) => {
                let policy = state.policies.in_force(&scopes, now);
                let caps = state.caps(policy, &slots, &budgets);
                answer.decision = decision(caps.as_deref());
                answer.caps = caps.map(Arc::unwrap_or_clone);
            }
            Err(refusal) => {
                let asked = Asked { scopes: &scopes, slots: &slots, unit, now };
                let denial = asked.deny(refusal, &state)?;
                answer.reason_code = Some(denial.reason_code.to_owned());
                answer.retry_after_ms = denial.retry_after_ms;
            }
        }
        answer.affected_scopes = Some(scopes);
        let stored = Stored::Decide(Arc::new(answer.clone()));
        let until = now.saturating_add(limits::DECISION_REPLAY_MS);
        state.replays.insert(key, hash, stored, now, until);
        Ok(answer)
    }
}
