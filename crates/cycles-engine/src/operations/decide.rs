//! `POST /v1/decide`

use cycles_ledger::admission;
use cycles_protocol::canonical::payload_hash;
use cycles_protocol::strict::Validate;
use cycles_protocol::{
    Call, Decision, DecisionRequest, DecisionResponse, Error, Permission, scope,
};

use super::name_missing;
use crate::store::{Endpoint, ReplayKey, Stored};
use crate::{Engine, access, limits};

impl Engine {
    pub(crate) fn decide_now(
        &self,
        call: &Call,
        request: DecisionRequest,
    ) -> Result<DecisionResponse, Error> {
        let caller = access::tenant(&call.principal)?;
        request.validate()?;
        caller.require(&[Permission::ReservationsCreate, Permission::Decide])?;
        caller.covers(&request.subject)?;
        let hash = payload_hash(&request);
        let scopes = scope::derive(&request.subject, caller.tenant_id);

        let tenant = self.tenant(caller.tenant_id)?;
        let (mut state, now) = self.turn(&tenant)?;
        let key = ReplayKey::new(Endpoint::Decide, 0, request.idempotency_key);
        if let Some(Stored::Decide(answer)) = state.replays.find(&key, &hash, now)? {
            return Ok((**answer).clone());
        }
        let unit = request.estimate.unit;
        let budgets = state.budgets.load(&state.budgets.slots(&scopes, unit));
        let reason = match admission::admit(&state.settings, &budgets, request.estimate.amount) {
            Ok(()) => None,
            Err(refusal) => {
                let refusal = name_missing(refusal, &state, &scopes);
                let reason = refusal.reason_code();
                // spec: a wrong unit is 400 here too; budget states never are
                if reason.is_none() {
                    return Err(state.refuse(refusal, &scopes, unit));
                }
                reason
            }
        };
        let answer = DecisionResponse {
            decision: if reason.is_some() { Decision::Deny } else { Decision::Allow },
            caps: None,
            reason_code: reason.map(str::to_owned),
            retry_after_ms: None,
            affected_scopes: Some(scopes),
            cycles_evidence: None,
        };
        let stored = Stored::Decide(Box::new(answer.clone()));
        let until = now.saturating_add(limits::DECISION_REPLAY_MS);
        state.replays.insert(key, hash, stored, now, until);
        Ok(answer)
    }
}
