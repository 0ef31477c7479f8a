//! Changing a budget's money.

use serde::{Deserialize, Serialize};

use super::budget::same_unit;
use crate::error::Error;
use crate::strict::{self, Validate};
use crate::wire::wire_enum;
use crate::{Amount, JsonMap, SignedAmount};

wire_enum! {
    /// How a budget's money changes (governance spec: `BudgetFundingRequest`).
    FundingOperation {
        /// Adds to `allocated`; leaves debt alone.
        Credit = "CREDIT",
        /// Takes from what remains.
        Debit = "DEBIT",
        /// Sets `allocated`.
        Reset = "RESET",
        /// Pays debt, then adds the rest.
        RepayDebt = "REPAY_DEBT",
        /// Sets `allocated` and `spent`: a fresh period.
        ResetSpent = "RESET_SPENT",
    }
}

/// Asks to change a budget's money.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetFundingRequest {
    /// How.
    pub operation: FundingOperation,
    /// How much.
    pub amount: Amount,
    /// Only with `RESET_SPENT`: the new `spent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Amount>,
    /// At most 512 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Makes the request safe to repeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<crate::IdempotencyKey>,
    /// For audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonMap>,
}

impl Validate for BudgetFundingRequest {
    fn validate(&self) -> Result<(), Error> {
        strict::known("operation", Some(self.operation), FundingOperation::Unknown)?;
        strict::amount("amount", self.amount)?;
        if let Some(spent) = self.spent {
            same_unit("spent", self.amount.unit, spent)?;
        }
        strict::length("reason", self.reason.as_deref(), 0, 512)?;
        self.idempotency_key.as_ref().map_or(Ok(()), strict::idempotency_key)
    }
}

/// What a funding operation did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetFundingResponse {
    /// What was asked.
    pub operation: FundingOperation,
    /// Before.
    pub previous_allocated: Amount,
    /// After.
    pub new_allocated: Amount,
    /// Before.
    pub previous_remaining: SignedAmount,
    /// After.
    pub new_remaining: SignedAmount,
    /// Before.
    pub previous_debt: Amount,
    /// After.
    pub new_debt: Amount,
    /// Before.
    pub previous_spent: Amount,
    /// After.
    pub new_spent: Amount,
    /// ISO 8601.
    pub timestamp: String,
}
