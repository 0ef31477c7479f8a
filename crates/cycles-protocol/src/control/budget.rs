//! Budgets.

use serde::{Deserialize, Serialize};

use super::RolloverPolicy;
use crate::error::Error;
use crate::scope;
use crate::strict::{self, Validate};
use crate::wire::wire_enum;
use crate::{Amount, CommitOveragePolicy, JsonMap, SignedAmount, Unit};

wire_enum! {
    /// Where a budget stands (governance spec: `BudgetLedger.status`).
    BudgetStatus {
        /// Normal.
        Active = "ACTIVE",
        /// No new reservations, events or funding; what was granted settles.
        Frozen = "FROZEN",
        /// As frozen, for good.
        Closed = "CLOSED",
    }
}

/// Names one budget.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BudgetRef {
    /// Canonical scope path.
    pub scope: String,
    /// Its unit.
    pub unit: Unit,
}

impl BudgetRef {
    /// Names the budget of `scope` in `unit`.
    ///
    /// # Errors
    /// `INVALID_REQUEST` when the scope is not canonical.
    pub fn new(scope: &str, unit: Unit) -> Result<Self, Error> {
        strict::known("unit", Some(unit), Unit::Unknown)?;
        Ok(Self { scope: scope::canonical(scope)?, unit })
    }
}

/// Asks for a budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetCreateRequest {
    /// Required with the admin key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// Canonical scope path.
    pub scope: String,
    /// Its unit.
    pub unit: Unit,
    /// How much.
    pub allocated: Amount,
    /// Most debt; none unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdraft_limit: Option<Amount>,
    /// Overage policy where request and policy set none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_overage_policy: Option<CommitOveragePolicy>,
    /// Kept as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollover_policy: Option<String>,
    /// Kept as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_start: Option<String>,
    /// Kept as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_end: Option<String>,
    /// Kept as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonMap>,
}

impl Validate for BudgetCreateRequest {
    fn validate(&self) -> Result<(), Error> {
        strict::known("unit", Some(self.unit), Unit::Unknown)?;
        same_unit("allocated", self.unit, self.allocated)?;
        if let Some(limit) = self.overdraft_limit {
            same_unit("overdraft_limit", self.unit, limit)?;
        }
        strict::known(
            "commit_overage_policy",
            self.commit_overage_policy,
            CommitOveragePolicy::Unknown,
        )
    }
}

pub(super) fn same_unit(field: &str, unit: Unit, amount: Amount) -> Result<(), Error> {
    strict::amount(field, amount)?;
    if amount.unit == unit {
        return Ok(());
    }
    Err(Error::new(
        crate::ErrorCode::UnitMismatch,
        format!("must be in the budget's unit field={field} unit={} expected={unit}", amount.unit),
    ))
}

/// A budget (governance spec: `BudgetLedger`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetLedger {
    /// Names it.
    pub ledger_id: String,
    /// Whose.
    pub tenant_id: String,
    /// Canonical scope path.
    pub scope: String,
    /// The same path; the spec has both.
    pub scope_path: String,
    /// Its unit.
    pub unit: Unit,
    /// The whole budget.
    pub allocated: Amount,
    /// Free for new reservations.
    pub remaining: SignedAmount,
    /// Held.
    pub reserved: Amount,
    /// Charged.
    pub spent: Amount,
    /// Charged beyond the budget.
    pub debt: Amount,
    /// Most debt allowed.
    pub overdraft_limit: Amount,
    /// Whether new reservations are blocked until reconciled.
    pub is_over_limit: bool,
    /// Overage policy of this budget, if it sets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_overage_policy: Option<CommitOveragePolicy>,
    /// What happens to what is left when the period ends, if it has periods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollover_policy: Option<RolloverPolicy>,
    /// When the period began, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_start: Option<String>,
    /// When it ends and the next begins, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_end: Option<String>,
    /// Where it stands.
    pub status: BudgetStatus,
    /// ISO 8601.
    pub created_at: String,
}

/// Why a budget is frozen or unfrozen.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BudgetStatusTransitionRequest {
    /// At most 512 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonMap>,
}

impl Validate for BudgetStatusTransitionRequest {
    fn validate(&self) -> Result<(), Error> {
        strict::length("reason", self.reason.as_deref(), 0, 512)
    }
}
