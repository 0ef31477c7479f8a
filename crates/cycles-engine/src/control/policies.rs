//! Creating policies.

use std::sync::Arc;

use cycles_ledger::{CapsRule, Terms};
use cycles_protocol::control::{
    Policy, PolicyCreateRequest, PolicyStatus, ScopePattern, TenantStatus,
};
use cycles_protocol::strict::Validate;
use cycles_protocol::{Error, ErrorCode};

use super::budgets::tenant_closed;
use crate::store::{PolicyRow, Tenant};
use crate::{Engine, ids, time};

/// What only a seed can say of a policy (decision: "Extensions the spec's
/// closed bodies have no field for").
#[derive(Debug, Clone, Copy)]
pub(super) struct Beyond {
    pub(super) status: PolicyStatus,
    /// The utilisation from which its caps apply, percent.
    pub(super) at_utilization: u8,
}

impl Engine {
    pub(super) fn create_policy_now(&self, request: PolicyCreateRequest) -> Result<Policy, Error> {
        request.validate()?;
        let pattern = ScopePattern::parse(&request.scope_pattern)?;
        let tenant = self.policy_owner(request.tenant_id.as_deref(), &pattern)?;
        let beyond = Beyond { status: PolicyStatus::Active, at_utilization: 0 };
        let row = self.policy_row(request, pattern, beyond)?;
        let (mut state, _) = self.turn(&tenant)?;
        if state.record.status == TenantStatus::Closed {
            return Err(tenant_closed(&tenant.id));
        }
        state.policies.insert(row)
    }

    /// The policy that a request asks for; its form was checked.
    pub(super) fn policy_row(
        &self,
        request: PolicyCreateRequest,
        pattern: ScopePattern,
        beyond: Beyond,
    ) -> Result<PolicyRow, Error> {
        let policy_id = format!("pol_{}", ids::random(&**self.random()).simple());
        let created_at = time::iso(self.clock().now_ms());
        let record = Policy::from_request(request, policy_id, beyond.status, created_at);
        policy_row_of(record, pattern, beyond.at_utilization)
    }

    /// The tenant that a policy is made for.
    pub(super) fn policy_owner(
        &self,
        tenant_id: Option<&str>,
        pattern: &ScopePattern,
    ) -> Result<Arc<Tenant>, Error> {
        let id = tenant_id.or_else(|| pattern.tenant()).ok_or_else(|| {
            invalid(
                "required where the scope pattern does not start at a tenant field=tenant_id"
                    .to_owned(),
            )
        })?;
        let tenant = self.find_tenant(id);
        let tenant = tenant
            .filter(|tenant| tenant_id.is_none_or(|id| id == tenant.id))
            .ok_or_else(|| invalid(format!("tenant does not exist tenant_id={id}")))?;
        match pattern.tenant() {
            Some(named) if !named.eq_ignore_ascii_case(&tenant.id) => Err(invalid(format!(
                "scope pattern names another tenant scope_pattern={pattern} tenant_id={id}"
            ))),
            _ => Ok(tenant),
        }
    }
}

/// A policy, read once so that commands need not.
pub(crate) fn policy_row_of(
    record: Policy,
    pattern: ScopePattern,
    at_utilization: u8,
) -> Result<PolicyRow, Error> {
    let at = |field, text: &Option<String>| {
        text.as_ref().map(|text| time::parse(field, text)).transpose()
    };
    let from = at("effective_from", &record.effective_from)?;
    let until = at("effective_until", &record.effective_until)?;
    if from.zip(until).is_some_and(|(from, until)| from >= until) {
        return Err(invalid("must be after effective_from field=effective_until".to_owned()));
    }
    let lease = record.reservation_ttl_override.unwrap_or_default();
    let terms = Terms {
        overage_policy: record.commit_overage_policy,
        ttl_ms_default: lease.default_ttl_ms,
        ttl_ms_max: lease.max_ttl_ms,
        extensions_max: lease.max_extensions,
    };
    let caps = record.caps.clone();
    let caps = caps.and_then(|caps| CapsRule::new(at_utilization, caps));
    Ok(PolicyRow { record, pattern, terms, caps, from, until })
}

fn invalid(message: String) -> Error {
    Error::new(ErrorCode::InvalidRequest, message)
}
