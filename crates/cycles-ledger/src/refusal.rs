//! Why a command may not go on.

use cycles_protocol::control::BudgetStatus;
use cycles_protocol::{Error, ErrorCode, ReservationStatus, Unit};

use crate::UnitSet;

/// Why a command changed nothing. Small and `Copy`, so that refusing is as
/// cheap as deciding; [`Refusal::into_error`] gives it words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The tenant is closed for good.
    TenantClosed,
    /// The tenant starts no new work for now.
    TenantSuspended,
    /// A scope's debt is beyond its limit, or an overage was not covered.
    OverLimit {
        /// Position of the scope.
        scope: usize,
        /// What it owes.
        debt: i64,
        /// What it may owe.
        limit: i64,
    },
    /// A scope's budget is closed for good.
    BudgetClosed {
        /// Position of the scope.
        scope: usize,
    },
    /// An operator froze a scope's budget.
    BudgetFrozen {
        /// Position of the scope.
        scope: usize,
    },
    /// A scope owes and may not owe anything.
    DebtOutstanding {
        /// Position of the scope.
        scope: usize,
        /// What it owes.
        debt: i64,
    },
    /// A scope's budget does not cover the amount.
    BudgetExceeded {
        /// Position of the scope.
        scope: usize,
        /// What was asked.
        requested: i64,
        /// What remains.
        remaining: i64,
    },
    /// The overage would take a scope's debt beyond its limit.
    OverdraftExceeded {
        /// Position of the scope.
        scope: usize,
        /// What the budget does not cover.
        uncovered: i64,
        /// What it owes already.
        debt: i64,
        /// What it may owe.
        limit: i64,
    },
    /// The actual is above the estimate and the policy allows no overage.
    OverageRejected {
        /// What was asked.
        actual: i64,
        /// What was held.
        estimate: i64,
    },
    /// No scope has a budget, in any unit.
    NoBudget,
    /// No scope has a budget in this unit, but one has in others.
    NoBudgetInUnit {
        /// Position of the first such scope.
        scope: usize,
        /// The units it has budgets in.
        expected: UnitSet,
    },
    /// The actual is not in the reservation's unit.
    WrongUnit {
        /// The reservation's unit.
        expected: Unit,
    },
    /// Already committed or released.
    Finalized {
        /// Which.
        status: ReservationStatus,
    },
    /// The lease ran out.
    Expired {
        /// When.
        expired_at: i64,
    },
    /// No more extensions.
    TooManyExtensions {
        /// How many there may be.
        max: i64,
    },
    /// A budget cannot go from this status where it was asked to.
    Status {
        /// Its status.
        status: BudgetStatus,
    },
    /// The ledger cannot hold the amount.
    Overflow,
    /// The records contradict each other; only a damaged store can do that.
    Inconsistent,
}

/// What a refusal's positions stand for.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Whose ledger.
    pub tenant: &'a str,
    /// The command's scopes, root first.
    pub scopes: &'a [String],
    /// The unit that was asked for.
    pub unit: Unit,
}

impl Refusal {
    /// The code that goes on the wire.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::TenantClosed => ErrorCode::TenantClosed,
            Self::TenantSuspended => ErrorCode::Forbidden,
            Self::OverLimit { .. } | Self::OverdraftExceeded { .. } => {
                ErrorCode::OverdraftLimitExceeded
            }
            Self::BudgetClosed { .. } => ErrorCode::BudgetClosed,
            Self::BudgetFrozen { .. } => ErrorCode::BudgetFrozen,
            Self::DebtOutstanding { .. } => ErrorCode::DebtOutstanding,
            Self::BudgetExceeded { .. } | Self::OverageRejected { .. } => ErrorCode::BudgetExceeded,
            Self::NoBudget => ErrorCode::NotFound,
            Self::NoBudgetInUnit { .. } | Self::WrongUnit { .. } => ErrorCode::UnitMismatch,
            Self::Finalized { .. } => ErrorCode::ReservationFinalized,
            Self::Expired { .. } => ErrorCode::ReservationExpired,
            Self::TooManyExtensions { .. } => ErrorCode::MaxExtensionsExceeded,
            Self::Status { .. } | Self::Overflow => ErrorCode::InvalidRequest,
            Self::Inconsistent => ErrorCode::InternalError,
        }
    }

    /// What a dry run or decide answers with `DENY` instead of an error; none
    /// where they too answer an error (spec: `DecisionReasonCode`, an open set).
    #[must_use]
    pub const fn reason_code(&self) -> Option<&'static str> {
        match self {
            Self::NoBudget => Some("BUDGET_NOT_FOUND"),
            Self::TenantSuspended => Some("TENANT_SUSPENDED"),
            Self::TenantClosed
            | Self::OverLimit { .. }
            | Self::BudgetClosed { .. }
            | Self::BudgetFrozen { .. }
            | Self::DebtOutstanding { .. }
            | Self::BudgetExceeded { .. } => Some(self.code().as_str()),
            _ => None,
        }
    }

    /// The refusal in words.
    #[must_use]
    pub fn into_error(self, place: Place<'_>) -> Error {
        let error = Error::new(self.code(), self.message(place));
        match self {
            Self::OverLimit { scope, debt, limit } => {
                at(error, place, scope).detail("debt", debt).detail("overdraft_limit", limit)
            }
            Self::BudgetClosed { scope } | Self::BudgetFrozen { scope } => at(error, place, scope),
            Self::DebtOutstanding { scope, debt } => at(error, place, scope).detail("debt", debt),
            Self::BudgetExceeded { scope, requested, remaining } => at(error, place, scope)
                .detail("requested", requested)
                .detail("remaining", remaining),
            Self::OverdraftExceeded { scope, uncovered, debt, limit } => at(error, place, scope)
                .detail("uncovered", uncovered)
                .detail("debt", debt)
                .detail("overdraft_limit", limit),
            Self::OverageRejected { actual, estimate } => error
                .detail("actual", actual)
                .detail("estimate", estimate)
                .detail("overage_policy", "REJECT"),
            Self::NoBudgetInUnit { scope, expected } => {
                units(error.detail("scope", place.scope(scope)), place.unit, expected)
            }
            Self::WrongUnit { expected } => {
                units(error, place.unit, UnitSet::default().with(expected))
            }
            _ => error,
        }
    }

    fn message(self, place: Place<'_>) -> String {
        let Place { tenant, unit, .. } = place;
        match self {
            Self::TenantClosed => format!("tenant is closed for good tenant={tenant}"),
            Self::TenantSuspended => format!(
                "tenant is suspended, new work is refused; what is in flight settles tenant={tenant}"
            ),
            Self::OverLimit { scope, debt, limit } => format!(
                "budget is over its limit; fund it or repay its debt scope={} unit={unit} debt={debt} overdraft_limit={limit}",
                place.scope(scope)
            ),
            Self::BudgetClosed { scope } => {
                format!("budget is closed for good scope={} unit={unit}", place.scope(scope))
            }
            Self::BudgetFrozen { scope } => {
                format!("budget is frozen by an operator scope={} unit={unit}", place.scope(scope))
            }
            Self::DebtOutstanding { scope, debt } => format!(
                "debt must be repaid first scope={} unit={unit} debt={debt}",
                place.scope(scope)
            ),
            Self::BudgetExceeded { scope, requested, remaining } => format!(
                "budget does not cover the amount scope={} unit={unit} requested={requested} remaining={remaining}",
                place.scope(scope)
            ),
            Self::OverdraftExceeded { scope, uncovered, debt, limit } => format!(
                "the overage would exceed the overdraft limit scope={} unit={unit} uncovered={uncovered} debt={debt} overdraft_limit={limit}",
                place.scope(scope)
            ),
            Self::OverageRejected { actual, estimate } => format!(
                "the actual is above the estimate and the overage policy is REJECT; commit at most the estimate, or release unit={unit} actual={actual} estimate={estimate}"
            ),
            Self::NoBudget => format!(
                "budget not found for provided scope; create one there or at a scope above it scope={} unit={unit}",
                place.scopes.last().map_or("", String::as_str)
            ),
            Self::NoBudgetInUnit { scope, expected } => format!(
                "no budget in this unit; the scope has budgets in {} scope={} unit={unit}",
                names(expected),
                place.scope(scope)
            ),
            Self::WrongUnit { expected } => {
                format!("unit differs from the reservation's unit={unit} expected={expected}")
            }
            Self::Finalized { status } => {
                format!("reservation is already finalized status={status}")
            }
            Self::Expired { expired_at } => {
                format!("reservation has expired expires_at_ms={expired_at}")
            }
            Self::TooManyExtensions { max } => {
                format!("reservation was extended as often as it may be max_extensions={max}")
            }
            Self::Status { status } => {
                format!("budget cannot change to that status from where it is status={status}")
            }
            Self::Overflow => {
                format!("the amount does not fit the ledger's 64-bit integers unit={unit}")
            }
            Self::Inconsistent => format!("ledger records contradict each other tenant={tenant}"),
        }
    }
}

impl<'a> Place<'a> {
    fn scope(&self, position: usize) -> &'a str {
        self.scopes.get(position).map_or("", String::as_str)
    }
}

fn at(error: Error, place: Place<'_>, scope: usize) -> Error {
    error.detail("scope", place.scope(scope)).detail("unit", place.unit.as_str())
}

// spec: ERROR SEMANTICS, `details` of a unit mismatch
fn units(error: Error, requested: Unit, expected: UnitSet) -> Error {
    let expected: Vec<_> = expected.iter().map(Unit::as_str).collect();
    error.detail("requested_unit", requested.as_str()).detail("expected_units", expected)
}

fn names(units: UnitSet) -> String {
    units.iter().map(Unit::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_mismatch_says_what_would_fit() {
        let scopes = ["tenant:t".to_owned()];
        let place = Place { tenant: "t", scopes: &scopes, unit: Unit::Credits };
        let expected = UnitSet::default().with(Unit::Tokens);
        let error = Refusal::NoBudgetInUnit { scope: 0, expected }.into_error(place);
        assert_eq!(error.status(), Some(400));
        let details = error.details().unwrap();
        assert_eq!(details["scope"], "tenant:t");
        assert_eq!(details["requested_unit"], "CREDITS");
        assert_eq!(details["expected_units"][0], "TOKENS");
    }

    #[test]
    fn only_states_of_budget_and_tenant_are_denials() {
        assert_eq!(Refusal::NoBudget.reason_code(), Some("BUDGET_NOT_FOUND"));
        assert_eq!(Refusal::TenantClosed.reason_code(), Some("TENANT_CLOSED"));
        let mismatch = Refusal::NoBudgetInUnit { scope: 0, expected: UnitSet::default() };
        assert_eq!(mismatch.reason_code(), None);
        assert_eq!(Refusal::Overflow.reason_code(), None);
    }
}
