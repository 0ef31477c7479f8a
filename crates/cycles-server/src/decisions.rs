//! [`Decisions`]: the newest decisions and what they were made of, so that
//! operators can see why.

use std::collections::VecDeque;
use std::sync::Arc;

use cycles_engine::Engine;
use cycles_protocol::{
    Action, Amount, Balance, Call, Clock, Decision, ErrorCode, JsonMap, Operation, Principal,
    ReservationId, Subject, scope,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::observe::{Exchange, Observer};

/// One decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Decided {
    /// When, in milliseconds since the epoch.
    pub at_ms: i64,
    /// The request that asked.
    pub request_id: String,
    /// The logical operation that it belongs to.
    pub trace_id: String,
    /// Whose budget it is about.
    pub tenant_id: String,
    /// What was asked, like `create_reservation`.
    pub operation: String,
    /// Whether nothing was to be held.
    #[serde(default)]
    pub dry_run: bool,
    /// Who spends.
    pub subject: Subject,
    /// On what.
    pub action: Action,
    /// How much.
    pub amount: Amount,
    /// `ALLOW`, `ALLOW_WITH_CAPS` or `DENY`.
    pub decision: Decision,
    /// Why it is `DENY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// The refusal in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Which scope refused, and with which amounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<JsonMap>,
    /// What was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<ReservationId>,
    /// The budgets that were asked, root first: after an allowed request's hold,
    /// or as a denied one found them.
    pub balances: Vec<Balance>,
}

/// The newest decisions of a server; older ones are forgotten.
#[derive(Debug)]
pub(crate) struct Decisions {
    clock: Arc<dyn Clock>,
    engine: Option<Engine>,
    newest: Mutex<VecDeque<Decided>>,
}

/// Which decisions are wanted; all that is set must hold.
#[derive(Debug, Default)]
pub(crate) struct Wanted<'a> {
    pub(crate) tenant_id: Option<&'a str>,
    pub(crate) request_id: Option<&'a str>,
    pub(crate) reservation_id: Option<&'a str>,
    pub(crate) is_denied: bool,
}

impl Decisions {
    /// An empty record. Denials look into `engine` for the budgets they are about.
    pub(crate) fn new(clock: Arc<dyn Clock>, engine: Option<Engine>) -> Self {
        Self { clock, engine, newest: Mutex::default() }
    }

    /// Up to `most` decisions, the newest first.
    pub(crate) fn newest(&self, wanted: &Wanted<'_>, most: usize) -> Vec<Decided> {
        let newest = self.newest.lock();
        let found = newest.iter().rev().filter(|decided| wanted.admits(decided));
        found.take(most).cloned().collect()
    }

    /// The budgets of a denied request: its answer has none.
    fn budgets(&self, subject: &Subject, tenant: &str, amount: Amount) -> Vec<Balance> {
        let Some(engine) = &self.engine else { return Vec::new() };
        engine.peek(&scope::derive(subject, tenant), amount.unit)
    }
}

impl Wanted<'_> {
    fn admits(&self, decided: &Decided) -> bool {
        let id = decided.reservation_id.as_deref();
        self.tenant_id.is_none_or(|tenant| tenant == decided.tenant_id)
            && self
                .request_id
                .is_none_or(|request| request == decided.request_id || request == decided.trace_id)
            && self.reservation_id.is_none_or(|wanted| id == Some(wanted))
            && (!self.is_denied || decided.decision == Decision::Deny)
    }
}

impl Observer for Decisions {
    fn saw(&self, call: &Call, exchange: &Exchange<'_>) {
        let decides = matches!(
            exchange.operation,
            Operation::CreateReservation | Operation::Decide | Operation::CreateEvent
        );
        let (Principal::Tenant { tenant_id, .. }, true) = (&call.principal, decides) else {
            return;
        };
        let (Some(subject), Some(action), Some(amount)) =
            (exchange.subject, exchange.action, exchange.amount)
        else {
            return;
        };
        let error = exchange.error;
        let decision = match error {
            Some(_) => Decision::Deny,
            None => exchange.decision.unwrap_or(Decision::Allow),
        };
        let balances = if exchange.balances.is_empty() {
            self.budgets(subject, tenant_id, amount)
        } else {
            exchange.balances.to_vec()
        };
        let row = Decided {
            at_ms: self.clock.now_ms(),
            request_id: call.request_id.to_string(),
            trace_id: call.trace_id.to_string(),
            tenant_id: tenant_id.as_ref().to_owned(),
            operation: exchange.operation.as_str().to_owned(),
            dry_run: exchange.is_dry_run,
            subject: subject.clone(),
            action: action.clone(),
            amount,
            decision,
            reason_code: error
                .map(|error| ErrorCode::as_str(error.code()))
                .or(exchange.reason_code)
                .map(str::to_owned),
            message: error.map(|error| error.message().to_owned()),
            details: error.and_then(|error| error.details().cloned()),
            reservation_id: exchange.reservation_id.cloned(),
            balances,
        };
        let mut newest = self.newest.lock();
        if newest.len() >= limits::DECISIONS_MAX {
            newest.pop_front();
        }
        newest.push_back(row);
    }
}
