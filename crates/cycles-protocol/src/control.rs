//! [`Control`]: provisioning, which only local authorities and test servers
//! implement, shaped as the governance spec's endpoints.

mod api_key;
mod audit;
mod budget;
mod funding;
mod listing;
mod order;
mod period;
mod policy;
mod scope_pattern;
mod tenant;

use std::fmt::Debug;

use crate::error::Error;
use crate::{Call, Principal};

pub use api_key::{ApiKey, ApiKeyCreateRequest, ApiKeyCreateResponse, ApiKeyStatus};
pub use audit::{AuditLogEntry, AuditLogListResponse, AuditLogParams};
pub use budget::{
    BudgetCreateRequest, BudgetLedger, BudgetRef, BudgetStatus, BudgetStatusTransitionRequest,
};
pub use funding::{BudgetFundingRequest, BudgetFundingResponse, FundingOperation};
pub use listing::{
    ApiKeyListParams, ApiKeyListResponse, BudgetListParams, BudgetListResponse, TenantListParams,
    TenantListResponse,
};
pub use order::{ApiKeySortKey, BudgetSortKey, Share, TenantSortKey};
pub use period::{BudgetPeriod, PeriodLength, RolloverPolicy};
pub use policy::{Policy, PolicyCreateRequest, PolicyStatus, RateLimits, ReservationTtlOverride};
pub use scope_pattern::{ScopePattern, Specificity};
pub use tenant::{Tenant, TenantCreateRequest, TenantStatus, TenantUpdateRequest};

/// Provisions an authority and checks keys.
pub trait Control: Debug + Send + Sync + 'static {
    /// Whose key this is.
    ///
    /// # Errors
    /// `UNAUTHORIZED` for a key that is unknown, revoked or expired.
    fn authenticate(&self, api_key: &str) -> Result<Principal, Error>;

    /// Creates a tenant; the same id and name again answers the one that is there.
    ///
    /// # Errors
    /// `DUPLICATE_RESOURCE` when the id belongs to another name.
    fn create_tenant(&self, request: TenantCreateRequest) -> Result<Created<Tenant>, Error>;

    /// Reads one tenant.
    ///
    /// # Errors
    /// `TENANT_NOT_FOUND`.
    fn get_tenant(&self, tenant_id: &str) -> Result<Tenant, Error>;

    /// Changes a tenant, and writes it to the audit log as what `call` did.
    /// Closing one releases its open reservations, closes its budgets and revokes
    /// its keys, all at once; closing it again changes nothing.
    ///
    /// # Errors
    /// `TENANT_NOT_FOUND`; `TENANT_CLOSED` for anything but closing one that is
    /// closed.
    fn update_tenant(
        &self,
        call: &Call,
        tenant_id: &str,
        request: TenantUpdateRequest,
    ) -> Result<Tenant, Error>;

    /// Creates a key; the answer is the only place its secret is ever shown.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for an unknown tenant or permission, `TENANT_CLOSED`.
    fn create_api_key(&self, request: ApiKeyCreateRequest) -> Result<ApiKeyCreateResponse, Error>;

    /// Creates the budget of one scope in one unit.
    ///
    /// # Errors
    /// `DUPLICATE_RESOURCE` when there is one; `INVALID_REQUEST` for a wrong scope.
    fn create_budget(&self, request: BudgetCreateRequest) -> Result<BudgetLedger, Error>;

    /// Reads one budget.
    ///
    /// # Errors
    /// `BUDGET_NOT_FOUND`.
    fn get_budget(&self, budget: &BudgetRef) -> Result<BudgetLedger, Error>;

    /// Changes a budget's money.
    ///
    /// # Errors
    /// `BUDGET_NOT_FOUND`, `BUDGET_FROZEN`, `BUDGET_CLOSED`, `BUDGET_EXCEEDED`
    /// when a debit takes more than remains, `IDEMPOTENCY_MISMATCH`.
    fn fund_budget(
        &self,
        budget: &BudgetRef,
        request: BudgetFundingRequest,
    ) -> Result<BudgetFundingResponse, Error>;

    /// Creates a policy.
    ///
    /// # Errors
    /// `DUPLICATE_RESOURCE` when the tenant has one of that name;
    /// `INVALID_REQUEST`, `TENANT_CLOSED`.
    fn create_policy(&self, request: PolicyCreateRequest) -> Result<Policy, Error>;

    /// Lists what operators did, the newest first.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for a cursor of other filters.
    fn list_audit_logs(&self, params: &AuditLogParams) -> Result<AuditLogListResponse, Error>;

    /// Freezes (`true`) or unfreezes (`false`) a budget.
    ///
    /// # Errors
    /// `INVALID_REQUEST` (409) when it is so already, or closed.
    fn set_budget_frozen(&self, budget: &BudgetRef, frozen: bool) -> Result<BudgetLedger, Error>;

    /// Lets a budget start anew every so often, with what is allocated to it
    /// now; `None` ends that. What was spent in the running period stays spent.
    ///
    /// # Errors
    /// `BUDGET_NOT_FOUND`, `BUDGET_CLOSED`; `INVALID_REQUEST` for a time zone
    /// that does not exist.
    fn set_budget_period(
        &self,
        budget: &BudgetRef,
        period: Option<BudgetPeriod>,
    ) -> Result<BudgetLedger, Error>;

    /// Lists tenants, by id unless asked otherwise.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for a cursor of other filters.
    fn list_tenants(&self, params: &TenantListParams) -> Result<TenantListResponse, Error>;

    /// Lists keys without their secrets, by tenant and id unless asked otherwise.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for a cursor of other filters.
    fn list_api_keys(&self, params: &ApiKeyListParams) -> Result<ApiKeyListResponse, Error>;

    /// Takes a key back, for good; a revoked key again is answered as it is.
    ///
    /// # Errors
    /// `NOT_FOUND`.
    fn revoke_api_key(&self, key_id: &str, reason: Option<&str>) -> Result<ApiKey, Error>;

    /// Lists budgets, by scope and unit unless asked otherwise.
    ///
    /// # Errors
    /// `INVALID_REQUEST` for a cursor of other filters.
    fn list_budgets(&self, params: &BudgetListParams) -> Result<BudgetListResponse, Error>;
}

/// Whether something was made now or stood already.
#[derive(Debug, Clone, PartialEq)]
pub enum Created<T> {
    /// Made now.
    New(T),
    /// Stood already.
    Existing(T),
}
