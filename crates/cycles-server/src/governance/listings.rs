//! Listing what was provisioned, and taking keys back.

use axum::http::StatusCode;
use axum::response::Response;
use cycles_protocol::control::{ApiKeyListParams, BudgetListParams, TenantListParams};
use cycles_protocol::{Error, Permission, Principal};

use super::{Exchange, access, last_segment, same_tenant};
use crate::{answer, query};

impl Exchange<'_> {
    pub(super) fn list_tenants(self) -> Result<Response, Error> {
        let params = TenantListParams::from_query(&query::pairs(self.parts.uri.query())?)?;
        let page = self.app.control().list_tenants(&params)?;
        Ok(answer::json(self.call, StatusCode::OK, &page))
    }

    pub(super) fn list_api_keys(self) -> Result<Response, Error> {
        let params = ApiKeyListParams::from_query(&query::pairs(self.parts.uri.query())?)?;
        let page = self.app.control().list_api_keys(&params)?;
        Ok(answer::json(self.call, StatusCode::OK, &page))
    }

    pub(super) fn revoke_api_key(self) -> Result<Response, Error> {
        let pairs = query::pairs(self.parts.uri.query())?;
        let reason = query::optional(&pairs, "reason")?;
        let key_id = last_segment(&self.parts, "key_id")?;
        let key = self.app.control().revoke_api_key(&key_id, reason)?;
        Ok(answer::json(self.call, StatusCode::OK, &key))
    }

    pub(super) fn list_budgets(self) -> Result<Response, Error> {
        access::permission(&self.call.principal, Permission::BudgetsRead)?;
        let mut params = BudgetListParams::from_query(&query::pairs(self.parts.uri.query())?)?;
        if let Principal::Tenant { tenant_id, scope_filter, .. } = &self.call.principal {
            if let Some(asked) = &params.tenant_id {
                same_tenant(&self.call.principal, &format!("tenant:{asked}"), tenant_id)?;
            }
            params.tenant_id = Some(tenant_id.as_ref().to_owned());
            params.scope_filter = scope_filter.to_vec();
        }
        let page = self.app.control().list_budgets(&params)?;
        Ok(answer::json(self.call, StatusCode::OK, &page))
    }
}
