//! Starting with a seed.

use std::collections::HashSet;

use cycles_ledger::CapsRule;
use cycles_ledger::budget::Opening;
use cycles_protocol::control::{
    self, ApiKeyStatus, BudgetStatus, Created, PolicyCreateRequest, PolicyStatus,
    ReservationTtlOverride, ScopePattern, TenantCreateRequest, TenantStatus,
};
use cycles_protocol::strict::Validate;
use cycles_protocol::{CommitOveragePolicy, Error, Principal, Unit, limits as wire, scope};

use super::api_keys::{SHOWN_PREFIX, permissions};
use super::budgets;
use super::policies::Beyond;
use crate::seed::{Seed, SeedBudget, SeedCaps, SeedError, SeedKey, SeedPolicy, SeedTenant};
use crate::store::ApiKey;
use crate::{Engine, SeedAmount, time};
use cycles_protocol::ScopeFilter;

impl Engine {
    pub(crate) fn apply(&self, seed: &Seed) -> Result<(), SeedError> {
        for (index, tenant) in seed.tenants.iter().enumerate() {
            self.seed_tenant(tenant).map_err(|why| entry("tenants", index, &why))?;
        }
        let mut names = HashSet::new();
        for (index, key) in seed.keys.iter().enumerate() {
            let seeded = if names.insert(key.name.as_str()) {
                self.seed_key(index, key)
            } else {
                Err(format!("name repeats name={}", key.name))
            };
            seeded.map_err(|why| entry("keys", index, &why))?;
        }
        for (index, budget) in seed.budgets.iter().enumerate() {
            self.seed_budget(budget).map_err(|why| entry("budgets", index, &why))?;
        }
        for (index, policy) in seed.policies.iter().enumerate() {
            self.seed_policy(index, policy).map_err(|why| entry("policies", index, &why))?;
        }
        Ok(())
    }

    fn seed_tenant(&self, tenant: &SeedTenant) -> Result<(), String> {
        let status = tenant.status.unwrap_or(TenantStatus::Active);
        if status == TenantStatus::Unknown {
            return Err("status must be ACTIVE, SUSPENDED or CLOSED".to_owned());
        }
        let id = &tenant.tenant_id;
        let request = TenantCreateRequest {
            tenant_id: id.clone(),
            name: tenant.name.clone().unwrap_or_else(|| id.clone()),
            parent_tenant_id: tenant.parent_tenant_id.clone(),
            metadata: tenant.metadata.clone(),
            default_commit_overage_policy: tenant.default_commit_overage_policy,
            default_reservation_ttl_ms: tenant.default_reservation_ttl_ms,
            max_reservation_ttl_ms: tenant.max_reservation_ttl_ms,
            max_reservation_extensions: tenant.max_reservation_extensions,
            reservation_expiry_policy: tenant.reservation_expiry_policy.clone(),
        };
        request.validate_settings().map_err(|error| text(&error))?;
        match self.new_tenant(request, status)? {
            Created::New(_) => Ok(()),
            Created::Existing(_) => Err(format!("tenant repeats tenant_id={id}")),
        }
    }

    /// The tenant that a key or budget mentions.
    fn mentioned(&self, id: &str) -> Result<(), String> {
        match self.find_tenant(id) {
            Some(tenant) if tenant.id == id => Ok(()),
            Some(tenant) => Err(format!(
                "two tenants differ only in upper and lower case tenant_id={id} other={}",
                tenant.id
            )),
            None => {
                let request = TenantCreateRequest {
                    tenant_id: id.to_owned(),
                    name: id.to_owned(),
                    ..TenantCreateRequest::default()
                };
                self.new_tenant(request, TenantStatus::Active).map(|_| ())
            }
        }
    }

    fn new_tenant(
        &self,
        request: TenantCreateRequest,
        status: TenantStatus,
    ) -> Result<Created<cycles_protocol::control::Tenant>, String> {
        if !wire::is_subject_value(&request.tenant_id) {
            return Err(format!(
                "tenant_id must match ^[a-zA-Z0-9_.-]+$ with at most {} characters tenant_id={:?}",
                wire::SUBJECT_VALUE_MAX,
                request.tenant_id
            ));
        }
        self.add_tenant(request, status).map_err(|error| text(&error))
    }

    fn seed_key(&self, index: usize, key: &SeedKey) -> Result<(), String> {
        // It travels in a header.
        if key.secret.is_empty() || !key.secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("secret must be visible ASCII without blanks".to_owned());
        }
        let permissions = permissions(key.permissions.as_deref()).map_err(|error| text(&error))?;
        let scope_filter = key.scope_filter.clone().unwrap_or_default();
        ScopeFilter::new(&scope_filter).check().map_err(|error| text(&error))?;
        self.mentioned(&key.tenant_id)?;
        let key_id = format!("key_seed_{index}");
        let principal = Principal::Tenant {
            tenant_id: key.tenant_id.as_str().into(),
            key_id: key_id.as_str().into(),
            permissions: permissions.as_slice().into(),
            scope_filter: scope_filter.as_slice().into(),
        };
        let record = control::ApiKey {
            key_id,
            tenant_id: key.tenant_id.clone(),
            key_prefix: shown_prefix(&key.secret),
            name: Some(key.name.clone()),
            description: None,
            status: ApiKeyStatus::Active,
            permissions,
            scope_filter,
            created_at: time::iso(self.clock().now_ms()),
            expires_at: NEVER.to_owned(),
            revoked_at: None,
            revoked_reason: None,
            metadata: None,
        };
        let stored = ApiKey { principal, expires_at: None, record };
        if self.add_key(&key.secret, &stored) {
            return Ok(());
        }
        Err("secret repeats".to_owned())
    }

    fn seed_budget(&self, budget: &SeedBudget) -> Result<(), String> {
        let unit = budget.unit;
        if unit == Unit::Unknown {
            return Err(format!(
                "unit must be USD_MICROCENTS, TOKENS, CREDITS or RISK_POINTS scope={:?}",
                budget.scope
            ));
        }
        let status = budget.status.unwrap_or(BudgetStatus::Active);
        if status == BudgetStatus::Unknown {
            return Err("status must be ACTIVE, FROZEN or CLOSED".to_owned());
        }
        if budget.commit_overage_policy == Some(CommitOveragePolicy::Unknown) {
            return Err("commit_overage_policy is not one that the spec names".to_owned());
        }
        let canonical = scope::canonical(&budget.scope).map_err(|error| text(&error))?;
        self.mentioned_by(&budget.scope)?;
        let in_unit = |amount: &SeedAmount| {
            amount.in_unit(unit).map_err(|why| format!("{why} scope={:?}", budget.scope))
        };
        let amount = |amount: &Option<SeedAmount>| amount.as_ref().map_or(Ok(0), in_unit);
        let opening = Opening {
            allocated: in_unit(&budget.allocated)?,
            spent: amount(&budget.spent)?,
            debt: amount(&budget.debt)?,
            overdraft_limit: amount(&budget.overdraft_limit)?,
            is_over_limit: budget.is_over_limit.unwrap_or(false),
            status,
            overage_policy: budget.commit_overage_policy,
        };
        let tenant = self.tenant_of(&canonical).map_err(|error| text(&error))?;
        let caps = match &budget.caps {
            Some(caps) => rule(caps)?,
            None => None,
        };
        let beyond = budgets::Beyond { caps, period: budget.period.clone() };
        let add = || {
            let (mut state, now) = self.turn(&tenant)?;
            self.add_budget(&mut state, now, (&canonical, unit), opening, beyond)
        };
        add().map(|_| ()).map_err(|error| text(&error))
    }

    fn seed_policy(&self, index: usize, policy: &SeedPolicy) -> Result<(), String> {
        let status = policy.status.unwrap_or(PolicyStatus::Active);
        if status == PolicyStatus::Unknown {
            return Err("status must be ACTIVE or DISABLED".to_owned());
        }
        let at_utilization = policy.caps.as_ref().map_or(Ok(0), threshold)?;
        let lease = policy.reservation_ttl_override.map(|lease| ReservationTtlOverride {
            default_ttl_ms: lease.default_ttl_ms,
            max_ttl_ms: lease.max_ttl_ms,
            max_extensions: lease.max_extensions,
        });
        let request = PolicyCreateRequest {
            tenant_id: policy.tenant_id.clone(),
            name: policy.name.clone().unwrap_or_else(|| format!("policies[{index}]")),
            description: policy.description.clone(),
            scope_pattern: policy.scope_pattern.clone(),
            priority: policy.priority,
            caps: policy.caps.as_ref().map(SeedCaps::caps),
            commit_overage_policy: policy.commit_overage_policy,
            reservation_ttl_override: lease,
            rate_limits: None,
            effective_from: policy.effective_from.clone(),
            effective_until: policy.effective_until.clone(),
        };
        request.validate().map_err(|error| text(&error))?;
        let pattern = ScopePattern::parse(&policy.scope_pattern).map_err(|error| text(&error))?;
        match &policy.tenant_id {
            Some(id) => self.mentioned(id)?,
            None if pattern.tenant().is_some() => self.mentioned_by(&policy.scope_pattern)?,
            None => {}
        }
        let add = || {
            let tenant = self.policy_owner(policy.tenant_id.as_deref(), &pattern)?;
            let beyond = Beyond { status, at_utilization };
            let row = self.policy_row(request, pattern, beyond)?;
            self.turn(&tenant)?.0.policies.insert(row)
        };
        add().map(|_| ()).map_err(|error| text(&error))
    }

    /// The tenant that a scope or pattern starts at, as it is spelled there
    /// where nothing else declared it.
    fn mentioned_by(&self, scope: &str) -> Result<(), String> {
        let spelled = scope::tenant(scope).unwrap_or_default();
        if self.find_tenant(spelled).is_none() { self.mentioned(spelled) } else { Ok(()) }
    }
}

/// The contract wants a date; this is the calendar's last.
const NEVER: &str = "9999-12-31T23:59:59Z";

/// At most the half of a secret, which may be short in a seed.
fn shown_prefix(secret: &str) -> String {
    secret[..SHOWN_PREFIX.min(secret.len() / 2)].to_owned()
}

/// The caps of a budget.
fn rule(caps: &SeedCaps) -> Result<Option<CapsRule>, String> {
    let (at_utilization, caps) = (threshold(caps)?, caps.caps());
    caps.validate().map_err(|error| text(&error))?;
    Ok(CapsRule::new(at_utilization, caps))
}

fn threshold(caps: &SeedCaps) -> Result<u8, String> {
    let percent = caps.at_utilization.unwrap_or(0);
    if percent > 100 {
        return Err(format!("at_utilization must be 0 to 100 percent at_utilization={percent}"));
    }
    Ok(percent)
}

fn entry(list: &str, index: usize, why: &str) -> SeedError {
    SeedError::new(format!("seed cannot be used, {list}[{index}]: {why}"))
}

fn text(error: &Error) -> String {
    error.message().to_owned()
}
