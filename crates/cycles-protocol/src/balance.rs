//! Balances: the ledger of one scope in one unit.

use serde::{Deserialize, Serialize};

use crate::{Amount, SignedAmount, Subject};

/// The ledger of one scope in one unit (spec: `Balance`).
/// `remaining = allocated − spent − reserved − debt`, all in one unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// The last segment, like `agent:bot`.
    pub scope: String,
    /// The whole path.
    pub scope_path: String,
    /// Free for new reservations; negative in overdraft.
    pub remaining: SignedAmount,
    /// Held by active reservations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Amount>,
    /// Charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Amount>,
    /// Charged beyond the budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub debt: Option<Amount>,
    /// The whole budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocated: Option<Amount>,
    /// Most debt allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overdraft_limit: Option<Amount>,
    /// Whether new reservations are blocked until reconciled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_over_limit: Option<bool>,
}

impl Balance {
    /// A balance of which only `remaining` is known.
    #[must_use]
    pub fn new(scope_path: &str, remaining: SignedAmount) -> Self {
        Self {
            scope: crate::scope::leaf(scope_path).to_owned(),
            scope_path: scope_path.to_owned(),
            remaining,
            reserved: None,
            spent: None,
            debt: None,
            allocated: None,
            overdraft_limit: None,
            is_over_limit: None,
        }
    }
}

/// Which balances to answer; at least one level must be set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BalanceParams {
    /// Filters, exact at each level that is set.
    pub subject: Subject,
    /// Also scopes below the filtered one.
    pub include_children: bool,
    /// Page size, 1 to 200; 50 unless set.
    pub limit: Option<usize>,
    /// From the page before.
    pub cursor: Option<String>,
}

/// One page of balances (spec: `BalanceResponse`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceResponse {
    /// The rows.
    pub balances: Vec<Balance>,
    /// Where the next page starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_more: Option<bool>,
}
