//! The three listings of what was provisioned, one page at a time.
//!
//! Rows are in the order of their names: tenants by id, keys by tenant and id,
//! budgets by scope and unit. Another order is refused rather than ignored.

use serde::{Deserialize, Serialize};

use super::audit::{limit, search};
use super::{ApiKey, ApiKeyStatus, BudgetLedger, BudgetStatus, Tenant, TenantStatus};
use crate::Unit;
use crate::error::Error;
use crate::query::{boolean, invalid, known};

type Pairs = [(String, String)];

/// Which tenants to list; all that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct TenantListParams {
    /// Where they stand.
    pub status: Option<TenantStatus>,
    /// Exactly this parent.
    pub parent_tenant_id: Option<String>,
    /// Part of id or name; case does not matter.
    pub search: Option<String>,
    /// Page size, at most 100; 50 unless set.
    pub limit: Option<usize>,
    /// From the page before.
    pub cursor: Option<String>,
}

/// Which keys to list; all that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ApiKeyListParams {
    /// Exactly this tenant.
    pub tenant_id: Option<String>,
    /// Where they stand.
    pub status: Option<ApiKeyStatus>,
    /// Part of id, name or tenant; case does not matter.
    pub search: Option<String>,
    /// Page size, at most 100; 50 unless set.
    pub limit: Option<usize>,
    /// From the page before.
    pub cursor: Option<String>,
}

/// Which budgets to list; all that is set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BudgetListParams {
    /// Exactly this tenant.
    pub tenant_id: Option<String>,
    /// This scope and everything that starts with it.
    pub scope_prefix: Option<String>,
    /// In this unit.
    pub unit: Option<Unit>,
    /// Where they stand.
    pub status: Option<BudgetStatus>,
    /// Whether new reservations are blocked until reconciled.
    pub over_limit: Option<bool>,
    /// Whether anything is owed.
    pub has_debt: Option<bool>,
    /// Part of scope or tenant; case does not matter.
    pub search: Option<String>,
    /// Only what a key with this filter may see; not part of a query.
    pub scope_filter: Vec<String>,
    /// Page size, at most 100; 50 unless set.
    pub limit: Option<usize>,
    /// From the page before.
    pub cursor: Option<String>,
}

macro_rules! page {
    ($(#[$meta:meta])* $name:ident, $rows:ident: $row:ty) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        pub struct $name {
            /// The rows.
            pub $rows: Vec<$row>,
            /// Where the next page starts.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub next_cursor: Option<String>,
            /// Whether there is a next page.
            #[serde(default)]
            pub has_more: bool,
        }
    };
}

page! {
    /// One page of tenants (governance spec: `TenantListResponse`).
    TenantListResponse, tenants: Tenant
}
page! {
    /// One page of keys (governance spec: `ApiKeyListResponse`).
    ApiKeyListResponse, keys: ApiKey
}
page! {
    /// One page of budgets (governance spec: `BudgetListResponse`).
    BudgetListResponse, ledgers: BudgetLedger
}

impl TenantListParams {
    /// Reads the query of `GET /v1/admin/tenants`.
    ///
    /// # Errors
    /// `INVALID_REQUEST` naming the parameter that is wrong.
    pub fn from_query(query: &Pairs) -> Result<Self, Error> {
        let mut params = Self::default();
        for (name, value) in once(query)? {
            match name {
                "status" => {
                    params.status = Some(known(
                        name,
                        value,
                        TenantStatus::parse(value),
                        TenantStatus::Unknown,
                    )?);
                }
                "parent_tenant_id" => params.parent_tenant_id = Some(value.to_owned()),
                "search" => params.search = Some(search(value)?.to_lowercase()),
                "limit" => params.limit = Some(limit(value)?),
                "cursor" => params.cursor = Some(value.to_owned()),
                _ => order(name, value, "tenant_id")?,
            }
        }
        Ok(params)
    }

    /// Whether `tenant` is asked for.
    #[must_use]
    pub fn matches(&self, tenant: &Tenant) -> bool {
        let parent = self.parent_tenant_id.as_deref();
        self.status.is_none_or(|status| status == tenant.status)
            && parent.is_none_or(|parent| tenant.parent_tenant_id.as_deref() == Some(parent))
            && found(self.search.as_deref(), &[&tenant.tenant_id, &tenant.name])
    }
}

impl ApiKeyListParams {
    /// Reads the query of `GET /v1/admin/api-keys`.
    ///
    /// # Errors
    /// `INVALID_REQUEST` naming the parameter that is wrong.
    pub fn from_query(query: &Pairs) -> Result<Self, Error> {
        let mut params = Self::default();
        for (name, value) in once(query)? {
            match name {
                "tenant_id" => params.tenant_id = Some(value.to_owned()),
                "status" => {
                    params.status = Some(known(
                        name,
                        value,
                        ApiKeyStatus::parse(value),
                        ApiKeyStatus::Unknown,
                    )?);
                }
                "search" => params.search = Some(search(value)?.to_lowercase()),
                "limit" => params.limit = Some(limit(value)?),
                "cursor" => params.cursor = Some(value.to_owned()),
                _ => order(name, value, "tenant_id")?,
            }
        }
        Ok(params)
    }

    /// Whether `key` is asked for.
    #[must_use]
    pub fn matches(&self, key: &ApiKey) -> bool {
        let name = key.name.as_deref().unwrap_or_default();
        self.tenant_id.as_ref().is_none_or(|id| *id == key.tenant_id)
            && self.status.is_none_or(|status| status == key.status)
            && found(self.search.as_deref(), &[&key.key_id, name, &key.tenant_id])
    }
}

impl BudgetListParams {
    /// Reads the query of `GET /v1/admin/budgets`.
    ///
    /// # Errors
    /// `INVALID_REQUEST` naming the parameter that is wrong.
    pub fn from_query(query: &Pairs) -> Result<Self, Error> {
        let mut params = Self::default();
        for (name, value) in once(query)? {
            match name {
                "tenant_id" => params.tenant_id = Some(value.to_owned()),
                "scope_prefix" => params.scope_prefix = Some(value.to_ascii_lowercase()),
                "unit" => {
                    params.unit = Some(known(name, value, Unit::parse(value), Unit::Unknown)?);
                }
                "status" => {
                    params.status = Some(known(
                        name,
                        value,
                        BudgetStatus::parse(value),
                        BudgetStatus::Unknown,
                    )?);
                }
                "over_limit" => params.over_limit = Some(boolean(name, value)?),
                "has_debt" => params.has_debt = Some(boolean(name, value)?),
                "utilization_min" | "utilization_max" => {
                    return Err(invalid(format!(
                        "this server does not filter by it parameter={name}"
                    )));
                }
                "search" => params.search = Some(search(value)?.to_lowercase()),
                "limit" => params.limit = Some(limit(value)?),
                "cursor" => params.cursor = Some(value.to_owned()),
                _ => order(name, value, "scope")?,
            }
        }
        Ok(params)
    }

    /// Whether `budget` is asked for; its tenant and the scope filter are the
    /// caller's to check.
    #[must_use]
    pub fn matches(&self, budget: &BudgetLedger) -> bool {
        self.scope_prefix.as_ref().is_none_or(|prefix| budget.scope.starts_with(prefix))
            && self.unit.is_none_or(|unit| unit == budget.unit)
            && self.status.is_none_or(|status| status == budget.status)
            && self.over_limit.is_none_or(|over| over == budget.is_over_limit)
            && self.has_debt.is_none_or(|debt| debt == (budget.debt.amount > 0))
            && found(self.search.as_deref(), &[&budget.scope, &budget.tenant_id])
    }
}

/// The parameters that are not blank, each of them once: which of two is meant
/// is anyone's guess.
fn once(query: &Pairs) -> Result<Vec<(&str, &str)>, Error> {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (name, value) in query {
        if seen.iter().any(|(known, _)| known == name) {
            return Err(invalid(format!("sent more than once parameter={name}")));
        }
        seen.push((name, value));
    }
    seen.retain(|(_, value)| !value.is_empty());
    Ok(seen)
}

/// Parameters that the spec does not have are ignored, as it asks; an order that
/// rows do not have is refused.
fn order(name: &str, value: &str, only: &str) -> Result<(), Error> {
    let ignored = match name {
        "sort_by" => value == only,
        "sort_dir" => value == "asc",
        _ => true,
    };
    if ignored {
        return Ok(());
    }
    Err(invalid(format!(
        "rows are in one order only; leave it out, or sort_by={only} and sort_dir=asc parameter={name}"
    )))
}

fn found(part: Option<&str>, texts: &[&str]) -> bool {
    part.is_none_or(|part| texts.iter().any(|text| text.to_lowercase().contains(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(query: &[(&str, &str)]) -> Vec<(String, String)> {
        query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value) in [
            ("status", "OPEN"),
            ("unit", "EUR"),
            ("limit", "many"),
            ("has_debt", "maybe"),
            ("sort_by", "utilization"),
            ("sort_dir", "desc"),
            ("utilization_min", "0.5"),
        ] {
            let error = BudgetListParams::from_query(&pairs(&[(name, value)])).unwrap_err();
            assert!(error.message().contains(name), "{name}: {error}");
        }
        let twice = pairs(&[("unit", "TOKENS"), ("unit", "CREDITS")]);
        assert!(BudgetListParams::from_query(&twice).is_err());
    }

    #[test]
    fn semantics_1_3_page_sizes_are_clamped() {
        for (asked, size) in [("0", 1), ("7", 7), ("201", 100)] {
            let params = TenantListParams::from_query(&pairs(&[("limit", asked)])).unwrap();
            assert_eq!(params.limit, Some(size));
        }
    }

    #[test]
    fn blank_and_unknown_parameters_ask_for_nothing() {
        let query = pairs(&[("status", ""), ("cursor", ""), ("new", "1"), ("sort_dir", "asc")]);
        assert_eq!(BudgetListParams::from_query(&query).unwrap(), BudgetListParams::default());
        assert_eq!(TenantListParams::from_query(&query).unwrap(), TenantListParams::default());
        assert_eq!(ApiKeyListParams::from_query(&query).unwrap(), ApiKeyListParams::default());
    }
}
