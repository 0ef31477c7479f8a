//! The three listings of what was provisioned, one page at a time.
//!
//! Unless asked otherwise, rows are in the order of their names: tenants by id,
//! keys by tenant and id, budgets by scope and unit.

use serde::{Deserialize, Serialize};

use super::audit::{limit, search};
use super::order::{ApiKeySortKey, BudgetSortKey, Share, TenantSortKey};
use super::{ApiKey, ApiKeyStatus, BudgetLedger, BudgetStatus, Tenant, TenantStatus};
use crate::SortDirection;
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
    /// What rows are sorted by; by name unless set.
    pub sort_by: Option<TenantSortKey>,
    /// Which way; the largest first where `sort_by` is set, else the smallest.
    pub sort_dir: Option<SortDirection>,
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
    /// What rows are sorted by; by name unless set.
    pub sort_by: Option<ApiKeySortKey>,
    /// Which way; the largest first where `sort_by` is set, else the smallest.
    pub sort_dir: Option<SortDirection>,
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
    /// At least this share of it is spent.
    pub utilization_min: Option<Share>,
    /// At most this share of it is spent.
    pub utilization_max: Option<Share>,
    /// Part of scope or tenant; case does not matter.
    pub search: Option<String>,
    /// Only what a key with this filter may see; not part of a query.
    pub scope_filter: Vec<String>,
    /// What rows are sorted by; by name unless set.
    pub sort_by: Option<BudgetSortKey>,
    /// Which way; the largest first where `sort_by` is set, else the smallest.
    pub sort_dir: Option<SortDirection>,
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
                "sort_by" => {
                    params.sort_by = Some(known(
                        name,
                        value,
                        TenantSortKey::parse(value),
                        TenantSortKey::Unknown,
                    )?);
                }
                "sort_dir" => params.sort_dir = Some(direction(name, value)?),
                // spec: what is not known is ignored.
                _ => {}
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
                "sort_by" => {
                    params.sort_by = Some(known(
                        name,
                        value,
                        ApiKeySortKey::parse(value),
                        ApiKeySortKey::Unknown,
                    )?);
                }
                "sort_dir" => params.sort_dir = Some(direction(name, value)?),
                // spec: what is not known is ignored.
                _ => {}
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
                "utilization_min" => params.utilization_min = Some(Share::read(name, value)?),
                "utilization_max" => params.utilization_max = Some(Share::read(name, value)?),
                "search" => params.search = Some(search(value)?.to_lowercase()),
                "limit" => params.limit = Some(limit(value)?),
                "cursor" => params.cursor = Some(value.to_owned()),
                "sort_by" => {
                    params.sort_by = Some(known(
                        name,
                        value,
                        BudgetSortKey::parse(value),
                        BudgetSortKey::Unknown,
                    )?);
                }
                "sort_dir" => params.sort_dir = Some(direction(name, value)?),
                // spec: what is not known is ignored.
                _ => {}
            }
        }
        match (params.utilization_min, params.utilization_max) {
            (Some(least), Some(most)) if least > most => Err(invalid(
                "must not be above utilization_max parameter=utilization_min".to_owned(),
            )),
            _ => Ok(params),
        }
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
            && self.admits_utilization(budget)
            && found(self.search.as_deref(), &[&budget.scope, &budget.tenant_id])
    }

    fn admits_utilization(&self, budget: &BudgetLedger) -> bool {
        let compared = |share: Share| share.compare(budget.spent.amount, budget.allocated.amount);
        self.utilization_min.is_none_or(|least| compared(least).is_ge())
            && self.utilization_max.is_none_or(|most| compared(most).is_le())
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

fn direction(name: &str, value: &str) -> Result<SortDirection, Error> {
    known(name, value, SortDirection::parse(value), SortDirection::Unknown)
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
            ("sort_by", "utilisation"),
            ("sort_dir", "down"),
            ("utilization_min", "half"),
            ("utilization_max", "1.01"),
        ] {
            let error = BudgetListParams::from_query(&pairs(&[(name, value)])).unwrap_err();
            assert!(error.message().contains(name), "{name}: {error}");
        }
        let twice = pairs(&[("unit", "TOKENS"), ("unit", "CREDITS")]);
        assert!(BudgetListParams::from_query(&twice).is_err());
        let crossed = pairs(&[("utilization_max", "0.4"), ("utilization_min", "0.5")]);
        assert!(BudgetListParams::from_query(&crossed).is_err());
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
        let query = pairs(&[("status", ""), ("cursor", ""), ("new", "1"), ("sort_by", "")]);
        assert_eq!(BudgetListParams::from_query(&query).unwrap(), BudgetListParams::default());
        assert_eq!(TenantListParams::from_query(&query).unwrap(), TenantListParams::default());
        assert_eq!(ApiKeyListParams::from_query(&query).unwrap(), ApiKeyListParams::default());
    }
}
