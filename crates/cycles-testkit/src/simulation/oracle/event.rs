//! Direct debits.

use cycles_protocol::control::BudgetStatus;
use cycles_protocol::{
    Amount, ErrorCode, EventCreateRequest, EventCreateResponse, EventId, EventStatus, Permission,
};

use super::replay::{EVENT_MS, Payload, Place};
use super::reserve::Why;
use super::{Oracle, Ruling, ledger, no, validity};
use crate::simulation::answer::Answer;
use crate::simulation::command::Caller;

impl Oracle {
    pub(super) fn event(
        &mut self,
        caller: Caller,
        request: &EventCreateRequest,
        now: i64,
        seen: &Answer,
    ) -> Ruling {
        let key = self.key(caller)?;
        let tenant = key.tenant;
        validity::event(request)?;
        key.may(&[Permission::ReservationsCommit, Permission::EventsCreate])?;
        key.covers(&self.tenants[tenant].id, &request.subject)?;
        self.look(tenant, now);
        let replay_key = request.idempotency_key.clone();
        let payload = Payload::Event(request.clone());
        let replays = &self.tenants[tenant].replays;
        if let Some(answer) = replays.find(Place::Event, &replay_key, &payload, now)? {
            return Ok(answer);
        }
        self.starts_work(tenant).map_err(Why::refusal)?;
        let scopes = ledger::scopes(&request.subject, &self.tenants[tenant].id);
        let unit = request.actual.unit;
        let budgets = self.find_budgets(tenant, &scopes, unit).map_err(Why::refusal)?;
        // semantics 2.3: these two block an event; debt and over-limit do not
        for (status, code) in [
            (BudgetStatus::Closed, ErrorCode::BudgetClosed),
            (BudgetStatus::Frozen, ErrorCode::BudgetFrozen),
        ] {
            let model = &self.tenants[tenant];
            if budgets.iter().any(|budget| model.budgets[*budget].status == status) {
                return Err(no(code));
            }
        }
        let policy = self.overage_policy(tenant, &budgets, request.overage_policy);
        let actual = request.actual.amount;
        let charge = self.charge(tenant, &budgets, policy, None, actual)?;
        self.book(tenant, &charge);
        let answer = Answer::Event(EventCreateResponse {
            status: EventStatus::Applied,
            event_id: fresh_id(seen),
            // semantics 2.6: only where it was capped
            charged: (charge.charged < actual).then(|| Amount::new(unit, charge.charged)),
            balances: Some(self.balances_of(tenant, &budgets)),
        });
        let replays = &mut self.tenants[tenant].replays;
        replays.keep(Place::Event, replay_key, payload, &answer, now + EVENT_MS);
        Ok(answer)
    }
}

fn fresh_id(seen: &Answer) -> EventId {
    match seen {
        Answer::Event(answer) if !answer.event_id.as_str().is_empty() => answer.event_id.clone(),
        _ => EventId::new("<a fresh id>"),
    }
}
