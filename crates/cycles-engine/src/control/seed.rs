//! Starting with a seed.

use std::collections::HashSet;

use cycles_ledger::budget::Opening;
use cycles_protocol::control::{BudgetStatus, Created, TenantCreateRequest, TenantStatus};
use cycles_protocol::{CommitOveragePolicy, Error, Unit, limits as wire, scope};

use super::api_keys::permissions;
use crate::seed::{Seed, SeedBudget, SeedError, SeedKey, SeedTenant};
use crate::store::ApiKey;
use crate::{Engine, SeedAmount};
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
        let stored = ApiKey {
            key_id: format!("key_seed_{index}"),
            tenant_id: key.tenant_id.clone(),
            permissions,
            scope_filter,
            expires_at: None,
        };
        if self.keys().insert(&key.secret, stored) {
            return Ok(());
        }
        Err("secret repeats".to_owned())
    }

    fn seed_budget(&self, budget: &SeedBudget) -> Result<(), String> {
        let unit = budget.unit;
        if unit == Unit::Unknown {
            return Err("unit must be USD_MICROCENTS, TOKENS, CREDITS or RISK_POINTS".to_owned());
        }
        let status = budget.status.unwrap_or(BudgetStatus::Active);
        if status == BudgetStatus::Unknown {
            return Err("status must be ACTIVE, FROZEN or CLOSED".to_owned());
        }
        if budget.commit_overage_policy == Some(CommitOveragePolicy::Unknown) {
            return Err("commit_overage_policy is not one that the spec names".to_owned());
        }
        let canonical = scope::canonical(&budget.scope).map_err(|error| text(&error))?;
        // The id as it is spelled, where nothing else declared the tenant.
        let spelled = scope::tenant(&budget.scope).unwrap_or_default();
        if self.find_tenant(spelled).is_none() {
            self.mentioned(spelled)?;
        }
        let amount = |amount: &Option<SeedAmount>| {
            amount.as_ref().map_or(Ok(0), |amount| amount.in_unit(unit))
        };
        let opening = Opening {
            allocated: budget.allocated.in_unit(unit)?,
            spent: amount(&budget.spent)?,
            debt: amount(&budget.debt)?,
            overdraft_limit: amount(&budget.overdraft_limit)?,
            is_over_limit: budget.is_over_limit.unwrap_or(false),
            status,
            overage_policy: budget.commit_overage_policy,
        };
        let tenant = self.tenant_of(&canonical).map_err(|error| text(&error))?;
        let added = self.add_budget(&tenant, &canonical, unit, opening);
        added.map(|_| ()).map_err(|error| text(&error))
    }
}

fn entry(list: &str, index: usize, why: &str) -> SeedError {
    SeedError::new(format!("seed cannot be used, {list}[{index}]: {why}"))
}

fn text(error: &Error) -> String {
    error.message().to_owned()
}
