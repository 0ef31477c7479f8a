//! What happens in one step: somebody asks something.

use std::fmt;

use cycles_protocol::control::{BudgetCreateRequest, BudgetFundingRequest, BudgetRef};
use cycles_protocol::{
    BalanceParams, CommitRequest, DecisionRequest, EventCreateRequest, ExtendRequest,
    ListReservationsParams, ReleaseRequest, ReservationCreateRequest, ReservationId,
};
use serde::Serialize;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// The world's key at this index.
    Key(usize),
    /// A key that nobody issued.
    Stranger,
    /// An operator.
    Admin,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Command {
    pub(super) caller: Caller,
    /// Whether it goes in wire form, as JSON, or typed.
    pub(super) is_wire: bool,
    pub(super) act: Act,
}

/// What is asked.
#[derive(Debug, Clone)]
pub(super) enum Act {
    Create(ReservationCreateRequest),
    Commit(ReservationId, CommitRequest),
    Release(ReservationId, ReleaseRequest),
    Extend(ReservationId, ExtendRequest),
    Decide(DecisionRequest),
    Event(EventCreateRequest),
    Balances(BalanceParams),
    List(ListReservationsParams),
    Get(ReservationId),
    Fund(BudgetRef, BudgetFundingRequest),
    Freeze(BudgetRef, bool),
    CreateBudget(BudgetCreateRequest),
    Sweep,
}

impl Act {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Create(request) if matches!(request.dry_run, Some(true)) => "dry_run",
            Self::Create(_) => "create_reservation",
            Self::Commit(..) => "commit",
            Self::Release(..) => "release",
            Self::Extend(..) => "extend",
            Self::Decide(_) => "decide",
            Self::Event(_) => "create_event",
            Self::Balances(_) => "get_balances",
            Self::List(_) => "list_reservations",
            Self::Get(_) => "get_reservation",
            Self::Fund(..) => "fund_budget",
            Self::Freeze(..) => "set_budget_frozen",
            Self::CreateBudget(_) => "create_budget",
            Self::Sweep => "sweep",
        }
    }

    /// The reservation that it names.
    pub(super) const fn reservation(&self) -> Option<&ReservationId> {
        match self {
            Self::Commit(id, _) | Self::Release(id, _) | Self::Extend(id, _) | Self::Get(id) => {
                Some(id)
            }
            _ => None,
        }
    }

    /// The scope that an operator names.
    pub(super) fn scope(&self) -> Option<&str> {
        match self {
            Self::Fund(budget, _) | Self::Freeze(budget, _) => Some(&budget.scope),
            Self::CreateBudget(request) => Some(&request.scope),
            _ => None,
        }
    }

    /// Whether an operator may do it too (spec: `security` of each operation).
    pub(super) const fn is_for_admins(&self) -> bool {
        matches!(self, Self::Release(..) | Self::List(_) | Self::Get(_))
    }

    /// Whether repeating it is safe by an idempotency key.
    pub(super) const fn is_idempotent(&self) -> bool {
        matches!(
            self,
            Self::Create(_)
                | Self::Commit(..)
                | Self::Release(..)
                | Self::Extend(..)
                | Self::Decide(_)
                | Self::Event(_)
                | Self::Fund(..)
        )
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Create(request) => write!(f, "{name} {}", json(request)),
            Self::Commit(id, request) => write!(f, "{name} {id} {}", json(request)),
            Self::Release(id, request) => write!(f, "{name} {id} {}", json(request)),
            Self::Extend(id, request) => write!(f, "{name} {id} {}", json(request)),
            Self::Decide(request) => write!(f, "{name} {}", json(request)),
            Self::Event(request) => write!(f, "{name} {}", json(request)),
            Self::Balances(params) => write!(f, "{name} {:?}", params.to_query()),
            Self::List(params) => write!(f, "{name} {:?}", params.to_query()),
            Self::Get(id) => write!(f, "{name} {id}"),
            Self::Fund(budget, request) => {
                write!(f, "{name} {} {} {}", budget.scope, budget.unit, json(request))
            }
            Self::Freeze(budget, frozen) => {
                write!(f, "{name} {} {} {frozen}", budget.scope, budget.unit)
            }
            Self::CreateBudget(request) => write!(f, "{name} {}", json(request)),
            Self::Sweep => f.write_str(name),
        }
    }
}

pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("<{error}>"))
}
