//! [`Control`]: provisioning, which only local authorities and test servers
//! implement, shaped as the governance spec's endpoints.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::scope;
use crate::strict::{self, Validate};
use crate::wire::wire_enum;
use crate::{
    Amount, CommitOveragePolicy, JsonMap, Permission, Principal, SignedAmount, Unit, limits,
};

wire_enum! {
    /// Where a tenant stands (governance spec: `Tenant.status`).
    TenantStatus {
        /// Normal.
        Active = "ACTIVE",
        /// No new work; what is in flight settles.
        Suspended = "SUSPENDED",
        /// For good.
        Closed = "CLOSED",
    }
}

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

    /// Freezes (`true`) or unfreezes (`false`) a budget.
    ///
    /// # Errors
    /// `INVALID_REQUEST` (409) when it is so already, or closed.
    fn set_budget_frozen(&self, budget: &BudgetRef, frozen: bool) -> Result<BudgetLedger, Error>;
}

/// Whether something was made now or stood already.
#[derive(Debug, Clone, PartialEq)]
pub enum Created<T> {
    /// Made now.
    New(T),
    /// Stood already.
    Existing(T),
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

/// A tenant (governance spec: `Tenant`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tenant {
    /// Its id.
    pub tenant_id: String,
    /// Its name.
    pub name: String,
    /// Where it stands.
    pub status: TenantStatus,
    /// Its parent, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_tenant_id: Option<String>,
    /// Overage policy where nothing nearer sets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_commit_overage_policy: Option<CommitOveragePolicy>,
    /// Lease where the request sets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_reservation_ttl_ms: Option<i64>,
    /// Longest lease; longer requests are cut to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_reservation_ttl_ms: Option<i64>,
    /// Most extensions of one reservation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_reservation_extensions: Option<i64>,
    /// Kept as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_expiry_policy: Option<String>,
    /// Kept as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonMap>,
    /// ISO 8601.
    pub created_at: String,
}

impl Tenant {
    /// The tenant that a request asks for, made at `created_at`.
    #[must_use]
    pub fn from_request(
        request: TenantCreateRequest,
        status: TenantStatus,
        created_at: String,
    ) -> Self {
        Self {
            tenant_id: request.tenant_id,
            name: request.name,
            status,
            parent_tenant_id: request.parent_tenant_id,
            default_commit_overage_policy: request.default_commit_overage_policy,
            default_reservation_ttl_ms: request.default_reservation_ttl_ms,
            max_reservation_ttl_ms: request.max_reservation_ttl_ms,
            max_reservation_extensions: request.max_reservation_extensions,
            reservation_expiry_policy: request.reservation_expiry_policy,
            metadata: request.metadata,
            created_at,
        }
    }
}

/// Asks for a tenant.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TenantCreateRequest {
    /// `^[a-z0-9-]+$`, 3 to 64 characters.
    pub tenant_id: String,
    /// At most 256 characters.
    pub name: String,
    /// See [`Tenant`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_tenant_id: Option<String>,
    /// See [`Tenant`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonMap>,
    /// See [`Tenant`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_commit_overage_policy: Option<CommitOveragePolicy>,
    /// See [`Tenant`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_reservation_ttl_ms: Option<i64>,
    /// See [`Tenant`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_reservation_ttl_ms: Option<i64>,
    /// See [`Tenant`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_reservation_extensions: Option<i64>,
    /// See [`Tenant`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_expiry_policy: Option<String>,
}

impl Validate for TenantCreateRequest {
    fn validate(&self) -> Result<(), Error> {
        strict::length("tenant_id", Some(&self.tenant_id), 3, 64)?;
        if !self
            .tenant_id
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return Err(Error::new(
                crate::ErrorCode::InvalidRequest,
                "must match ^[a-z0-9-]+$ field=tenant_id",
            ));
        }
        strict::length("name", Some(&self.name), 0, 256)?;
        self.validate_settings()
    }
}

impl TenantCreateRequest {
    /// Checks the settings; a seed may use ids that the endpoint would refuse.
    ///
    /// # Errors
    /// `INVALID_REQUEST` naming the field.
    pub fn validate_settings(&self) -> Result<(), Error> {
        strict::known(
            "default_commit_overage_policy",
            self.default_commit_overage_policy,
            CommitOveragePolicy::Unknown,
        )?;
        strict::range(
            "default_reservation_ttl_ms",
            self.default_reservation_ttl_ms,
            &limits::TTL_MS,
        )?;
        strict::range("max_reservation_ttl_ms", self.max_reservation_ttl_ms, &limits::TTL_MS)?;
        strict::not_negative("max_reservation_extensions", self.max_reservation_extensions)?;
        match self.reservation_expiry_policy.as_deref() {
            None | Some("AUTO_RELEASE" | "MANUAL_CLEANUP" | "GRACE_ONLY") => Ok(()),
            Some(_) => Err(Error::new(
                crate::ErrorCode::InvalidRequest,
                "must be AUTO_RELEASE, MANUAL_CLEANUP or GRACE_ONLY field=reservation_expiry_policy",
            )),
        }
    }
}

/// Asks for a key.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyCreateRequest {
    /// Whose key.
    pub tenant_id: String,
    /// For people.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What it may do; the default set unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
    /// Where; everywhere in the tenant unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_filter: Option<Vec<String>>,
    /// ISO 8601; 90 days from now unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// Kept as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonMap>,
}

impl Validate for ApiKeyCreateRequest {
    fn validate(&self) -> Result<(), Error> {
        strict::length("name", Some(&self.name), 0, 256)?;
        strict::length("description", self.description.as_deref(), 0, 1024)
    }
}

/// A new key; the only time that the secret is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyCreateResponse {
    /// Names the key.
    pub key_id: String,
    /// The secret, `cyc_live_…`.
    pub key_secret: String,
    /// What listings show of it.
    pub key_prefix: String,
    /// Whose key.
    pub tenant_id: String,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// ISO 8601.
    pub created_at: String,
    /// ISO 8601.
    pub expires_at: String,
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

fn same_unit(field: &str, unit: Unit, amount: Amount) -> Result<(), Error> {
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
    /// Where it stands.
    pub status: BudgetStatus,
    /// ISO 8601.
    pub created_at: String,
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
