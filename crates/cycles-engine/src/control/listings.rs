//! Listing tenants, keys and budgets.

use cycles_protocol::control::{
    ApiKeyListParams, ApiKeyListResponse, BudgetListParams, BudgetListResponse, TenantListParams,
    TenantListResponse,
};
use cycles_protocol::{Error, ScopeFilter};
use serde::{Deserialize, Serialize};

use super::budgets::ledger;
use crate::{Engine, cursor};

/// The last row of the page before.
#[derive(Serialize, Deserialize)]
struct After {
    /// Fingerprint of the filters.
    fh: String,
    name: String,
}

/// One page of rows that have a name each, and where the next one starts.
struct Page<T> {
    rows: Vec<T>,
    next_cursor: Option<String>,
}

/// What was asked for, but for the filters themselves.
struct Asked {
    fh: String,
    after: Option<String>,
    limit: usize,
}

impl Asked {
    /// `filters` are those of the listing, without page size and cursor.
    fn of(
        filters: &impl Serialize,
        limit: Option<usize>,
        cursor: Option<&str>,
    ) -> Result<Self, Error> {
        let fh = cursor::fingerprint(filters);
        let after = match cursor {
            Some(text) => Some(cursor::read(text, |after: &After| after.fh == fh)?.name),
            None => None,
        };
        Ok(Self { fh, after, limit: cursor::page(limit)? })
    }

    fn wants(&self, name: &str) -> bool {
        self.after.as_deref().is_none_or(|after| name > after)
    }

    fn page<T>(self, mut rows: Vec<(String, T)>) -> Page<T> {
        rows.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let has_more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let last = rows.last().filter(|_| has_more).map(|(name, _)| name.clone());
        let next_cursor = last.and_then(|name| cursor::write(&After { fh: self.fh, name }));
        Page { rows: rows.into_iter().map(|(_, row)| row).collect(), next_cursor }
    }
}

impl Engine {
    pub(super) fn list_tenants_now(
        &self,
        params: &TenantListParams,
    ) -> Result<TenantListResponse, Error> {
        let mut filters = params.clone();
        (filters.limit, filters.cursor) = (None, None);
        let asked = Asked::of(&filters, params.limit, params.cursor.as_deref())?;
        let mut rows = Vec::new();
        for tenant in self.all_tenants().into_iter().filter(|tenant| asked.wants(&tenant.id)) {
            let record = tenant.turn()?.record.clone();
            if params.matches(&record) {
                rows.push((tenant.id.clone(), record));
            }
        }
        let Page { rows: tenants, next_cursor } = asked.page(rows);
        Ok(TenantListResponse { tenants, has_more: next_cursor.is_some(), next_cursor })
    }

    pub(super) fn list_api_keys_now(
        &self,
        params: &ApiKeyListParams,
    ) -> Result<ApiKeyListResponse, Error> {
        let mut filters = params.clone();
        (filters.limit, filters.cursor) = (None, None);
        let asked = Asked::of(&filters, params.limit, params.cursor.as_deref())?;
        let now = self.clock().now_ms();
        let named = |key: cycles_protocol::control::ApiKey| {
            (format!("{}/{}", key.tenant_id, key.key_id), key)
        };
        let rows = self.keys().all().into_iter().map(|key| named(key.shown(now)));
        let rows = rows.filter(|(name, key)| asked.wants(name) && params.matches(key)).collect();
        let Page { rows: keys, next_cursor } = asked.page(rows);
        Ok(ApiKeyListResponse { keys, has_more: next_cursor.is_some(), next_cursor })
    }

    pub(super) fn list_budgets_now(
        &self,
        params: &BudgetListParams,
    ) -> Result<BudgetListResponse, Error> {
        let mut filters = params.clone();
        (filters.limit, filters.cursor) = (None, None);
        let asked = Asked::of(&filters, params.limit, params.cursor.as_deref())?;
        let filter = ScopeFilter::new(&params.scope_filter);
        let mut rows = Vec::new();
        for tenant in self.all_tenants() {
            if params.tenant_id.as_ref().is_some_and(|id| *id != tenant.id) {
                continue;
            }
            let (state, _) = self.turn(&tenant)?;
            for row in state.budgets.rows() {
                let name = format!("{} {}", row.scope, row.unit);
                if asked.wants(&name) && filter.admits_scope(&row.scope) {
                    let budget = ledger(&tenant.id, row);
                    if params.matches(&budget) {
                        rows.push((name, budget));
                    }
                }
            }
        }
        let Page { rows: ledgers, next_cursor } = asked.page(rows);
        Ok(BudgetListResponse { ledgers, has_more: next_cursor.is_some(), next_cursor })
    }
}
