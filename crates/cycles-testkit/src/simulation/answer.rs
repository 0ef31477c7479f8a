//! What is answered, as far as it is predicted.

use std::fmt;

use cycles_protocol::control::{BudgetFundingResponse, BudgetLedger, BudgetStatus};
use cycles_protocol::{
    BalanceResponse, CommitResponse, DecisionResponse, Error, ErrorCode, EventCreateResponse,
    ExtendResponse, ReleaseResponse, ReservationCreateResponse, ReservationDetail,
    ReservationListResponse, Unit,
};
use serde::Serialize;

use super::command::json;

/// An answer without what the oracle does not predict: evidence, hints when to
/// retry, messages and details.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) enum Answer {
    Create(Box<ReservationCreateResponse>),
    Commit(CommitResponse),
    Release(ReleaseResponse),
    Extend(ExtendResponse),
    Decide(DecisionResponse),
    Event(EventCreateResponse),
    Balances(BalanceResponse),
    List(ReservationListResponse),
    Get(Box<ReservationDetail>),
    Fund(Box<BudgetFundingResponse>),
    Budget(Figures),
    Swept(usize),
    Refused { code: ErrorCode, status: Option<u16> },
}

/// A budget as the governance plane shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Figures {
    pub(super) scope: String,
    pub(super) unit: Unit,
    pub(super) allocated: i64,
    pub(super) spent: i64,
    pub(super) reserved: i64,
    pub(super) debt: i64,
    pub(super) remaining: i64,
    pub(super) overdraft_limit: i64,
    pub(super) is_over_limit: bool,
    pub(super) status: BudgetStatus,
}

impl From<BudgetLedger> for Figures {
    fn from(ledger: BudgetLedger) -> Self {
        Self {
            scope: ledger.scope,
            unit: ledger.unit,
            allocated: ledger.allocated.amount,
            spent: ledger.spent.amount,
            reserved: ledger.reserved.amount,
            debt: ledger.debt.amount,
            remaining: ledger.remaining.amount,
            overdraft_limit: ledger.overdraft_limit.amount,
            is_over_limit: ledger.is_over_limit,
            status: ledger.status,
        }
    }
}

impl From<Error> for Answer {
    fn from(error: Error) -> Self {
        Self::Refused { code: error.code(), status: error.status() }
    }
}

impl Answer {
    /// Blanks what the oracle does not predict.
    pub(super) fn predictable(mut self) -> Self {
        match &mut self {
            Self::Create(answer) => {
                answer.retry_after_ms = None;
                answer.cycles_evidence = None;
            }
            Self::Commit(answer) => answer.cycles_evidence = None,
            Self::Release(answer) => answer.cycles_evidence = None,
            Self::Decide(answer) => {
                answer.retry_after_ms = None;
                answer.cycles_evidence = None;
            }
            Self::Get(row) => row.evidence = None,
            Self::List(page) => page.reservations.iter_mut().for_each(|row| row.evidence = None),
            _ => {}
        }
        self
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, status } => {
                write!(f, "refused {code} {}", status.map_or("-".to_owned(), |s| s.to_string()))
            }
            answer => f.write_str(&json(answer)),
        }
    }
}
