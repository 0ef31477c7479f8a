//! Listing tenants, keys and budgets.

use cycles_protocol::control::{
    ApiKeyListParams, ApiKeyListResponse, BudgetListParams, BudgetListResponse, TenantListParams,
    TenantListResponse,
};
use cycles_protocol::{Error, ScopeFilter};

use super::budgets::ledger;
use super::sorted::{Asked, Page, SortValue, direction};
use crate::Engine;

impl Engine {
    pub(super) fn list_tenants_now(
        &self,
        params: &TenantListParams,
    ) -> Result<TenantListResponse, Error> {
        let mut filters = params.clone();
        (filters.limit, filters.cursor) = (None, None);
        let direction = direction(params.sort_by.is_some(), params.sort_dir);
        let asked = Asked::of(&filters, direction, params.limit, params.cursor.as_deref())?;
        let mut rows = Vec::new();
        for tenant in self.all_tenants() {
            let record = tenant.turn()?.record.clone();
            if params.matches(&record) {
                let value = SortValue::of_tenant(params.sort_by, &record);
                rows.push((value, tenant.id.clone(), record));
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
        let direction = direction(params.sort_by.is_some(), params.sort_dir);
        let asked = Asked::of(&filters, direction, params.limit, params.cursor.as_deref())?;
        let now = self.clock().now_ms();
        let named = |key: cycles_protocol::control::ApiKey| {
            let value = SortValue::of_key(params.sort_by, &key);
            (value, format!("{}/{}", key.tenant_id, key.key_id), key)
        };
        let rows = self.keys().all().into_iter().map(|key| key.shown(now));
        let rows = rows.filter(|key| params.matches(key)).map(named).collect();
        let Page { rows: keys, next_cursor } = asked.page(rows);
        Ok(ApiKeyListResponse { keys, has_more: next_cursor.is_some(), next_cursor })
    }

    pub(super) fn list_budgets_now(
        &self,
        params: &BudgetListParams,
    ) -> Result<BudgetListResponse, Error> {
        let mut filters = params.clone();
        (filters.limit, filters.cursor) = (None, None);
        let direction = direction(params.sort_by.is_some(), params.sort_dir);
        let asked = Asked::of(&filters, direction, params.limit, params.cursor.as_deref())?;
        let filter = ScopeFilter::new(&params.scope_filter);
        let mut rows = Vec::new();
        for tenant in self.all_tenants() {
            if params.tenant_id.as_ref().is_some_and(|id| *id != tenant.id) {
                continue;
            }
            let (state, _) = self.turn(&tenant)?;
            for row in state.budgets.rows() {
                let name = format!("{} {}", row.scope, row.unit);
                if !asked.wants(&name) || !filter.admits_scope(&row.scope) {
                    continue;
                }
                let budget = ledger(&tenant.id, row);
                if params.matches(&budget) {
                    let value = SortValue::of_budget(params.sort_by, &budget);
                    rows.push((value, name, budget));
                }
            }
        }
        let Page { rows: ledgers, next_cursor } = asked.page(rows);
        Ok(BudgetListResponse { ledgers, has_more: next_cursor.is_some(), next_cursor })
    }
}
