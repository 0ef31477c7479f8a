//! [`Control`] over the engine: provisioning and keys.

mod api_keys;
mod audit;
pub(crate) mod budgets;
mod close;
mod fund;
mod listings;
mod policies;
mod seed;
mod sorted;
mod tenants;

use cycles_protocol::control::{
    ApiKey, ApiKeyCreateRequest, ApiKeyCreateResponse, ApiKeyListParams, ApiKeyListResponse,
    AuditLogListResponse, AuditLogParams, BudgetCreateRequest, BudgetFundingRequest,
    BudgetFundingResponse, BudgetLedger, BudgetListParams, BudgetListResponse, BudgetPeriod,
    BudgetRef, Created, Policy, PolicyCreateRequest, Tenant, TenantCreateRequest, TenantListParams,
    TenantListResponse, TenantUpdateRequest,
};
use cycles_protocol::{Call, Control, Error, Principal};

pub(crate) use policies::policy_row_of;

use crate::Engine;
use crate::store::KeyHash;

impl Control for Engine {
    fn authenticate(&self, api_key: &str) -> Result<Principal, Error> {
        Ok(self.authenticate_key(&KeyHash::of(api_key))?.principal.clone())
    }

    fn create_tenant(&self, request: TenantCreateRequest) -> Result<Created<Tenant>, Error> {
        self.changing(|| self.create_tenant_now(request))
    }

    fn get_tenant(&self, tenant_id: &str) -> Result<Tenant, Error> {
        self.reading(|| self.get_tenant_now(tenant_id))
    }

    fn update_tenant(
        &self,
        call: &Call,
        tenant_id: &str,
        request: TenantUpdateRequest,
    ) -> Result<Tenant, Error> {
        self.changing(|| self.update_tenant_now(call, tenant_id, request))
    }

    fn create_api_key(&self, request: ApiKeyCreateRequest) -> Result<ApiKeyCreateResponse, Error> {
        self.changing(|| self.create_api_key_now(request))
    }

    fn create_budget(&self, request: BudgetCreateRequest) -> Result<BudgetLedger, Error> {
        self.changing(|| self.create_budget_now(&request))
    }

    fn get_budget(&self, budget: &BudgetRef) -> Result<BudgetLedger, Error> {
        self.reading(|| self.get_budget_now(budget))
    }

    fn fund_budget(
        &self,
        budget: &BudgetRef,
        request: BudgetFundingRequest,
    ) -> Result<BudgetFundingResponse, Error> {
        self.changing(|| self.fund_budget_now(budget, request))
    }

    fn create_policy(&self, request: PolicyCreateRequest) -> Result<Policy, Error> {
        self.changing(|| self.create_policy_now(request))
    }

    fn list_audit_logs(&self, params: &AuditLogParams) -> Result<AuditLogListResponse, Error> {
        self.reading(|| self.list_audit_logs_now(params))
    }

    fn set_budget_frozen(&self, budget: &BudgetRef, frozen: bool) -> Result<BudgetLedger, Error> {
        self.changing(|| self.set_budget_frozen_now(budget, frozen))
    }

    fn set_budget_period(
        &self,
        budget: &BudgetRef,
        period: Option<BudgetPeriod>,
    ) -> Result<BudgetLedger, Error> {
        self.changing(|| self.set_budget_period_now(budget, period))
    }

    fn list_tenants(&self, params: &TenantListParams) -> Result<TenantListResponse, Error> {
        self.reading(|| self.list_tenants_now(params))
    }

    fn list_api_keys(&self, params: &ApiKeyListParams) -> Result<ApiKeyListResponse, Error> {
        self.reading(|| self.list_api_keys_now(params))
    }

    fn revoke_api_key(&self, key_id: &str, reason: Option<&str>) -> Result<ApiKey, Error> {
        self.changing(|| self.revoke_api_key_now(key_id, reason))
    }

    fn list_budgets(&self, params: &BudgetListParams) -> Result<BudgetListResponse, Error> {
        self.reading(|| self.list_budgets_now(params))
    }
}
