//! Who may do what, and where.

use cycles_protocol::scope::Level;
use cycles_protocol::{ErrorCode, Permission, Subject};

use super::{Oracle, no};
use crate::simulation::answer::Answer;
use crate::simulation::command::Caller;
use crate::simulation::world::KeyPlan;

/// A tenant's key.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) tenant: usize,
    permissions: Vec<Permission>,
    pub(super) filter: Vec<String>,
}

impl Key {
    pub(super) fn from_plan(plan: &KeyPlan) -> Self {
        Self {
            tenant: plan.tenant,
            permissions: plan.permissions.clone(),
            filter: plan.scope_filter.clone(),
        }
    }

    pub(super) fn may(&self, any: &[Permission]) -> Result<(), Answer> {
        if any.iter().any(|wanted| self.permissions.contains(wanted)) {
            return Ok(());
        }
        Err(no(ErrorCode::Forbidden))
    }

    /// spec: AUTH & TENANCY, a subject's tenant must be the key's; decision
    /// "Permissions and key `scope_filter`": enforced here too
    pub(super) fn covers(&self, tenant: &str, subject: &Subject) -> Result<(), Answer> {
        let is_own = subject.tenant.as_deref().is_none_or(|named| named == tenant);
        let value = |level| match level {
            Level::Tenant => Some(tenant),
            level => subject.get(level),
        };
        if is_own && admits(&self.filter, value) { Ok(()) } else { Err(no(ErrorCode::Forbidden)) }
    }

    /// Whether a scope may be seen.
    pub(super) fn sees(&self, scope: &str) -> bool {
        admits(&self.filter, |level| value_in(scope, level))
    }
}

impl Oracle {
    /// The key of a tenant; operators and strangers have none.
    pub(super) fn key(&self, caller: Caller) -> Result<Key, Answer> {
        match caller {
            Caller::Key(key) => Ok(self.keys[key].clone()),
            Caller::Stranger | Caller::Admin => Err(no(ErrorCode::Unauthorized)),
        }
    }

    /// The key of a tenant, or none for an operator, who may do everything.
    pub(super) fn key_or_admin(&self, caller: Caller) -> Result<Option<Key>, Answer> {
        match caller {
            Caller::Admin => Ok(None),
            caller => self.key(caller).map(Some),
        }
    }
}

/// The tenant of a caller, if it has one.
pub(super) fn own_tenant(keys: &[Key], caller: Caller) -> Option<usize> {
    match caller {
        Caller::Key(key) => Some(keys[key].tenant),
        Caller::Stranger | Caller::Admin => None,
    }
}

/// For every level that the filter names, the value there must match one of
/// that level's entries.
pub(super) fn admits<'a>(filter: &[String], value: impl Fn(Level) -> Option<&'a str>) -> bool {
    Level::ALL.into_iter().all(|level| {
        let mut patterns = Vec::new();
        for entry in filter {
            if let Some((name, pattern)) = entry.split_once(':')
                && name == level.as_str()
            {
                patterns.push(pattern.to_lowercase());
            }
        }
        patterns.is_empty()
            || value(level).is_some_and(|value| {
                let value = value.to_lowercase();
                patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
                    Some(prefix) => value.starts_with(prefix),
                    None => value == *pattern,
                })
            })
    })
}

/// The value of a level in a scope path.
pub(super) fn value_in(scope: &str, level: Level) -> Option<&str> {
    for segment in scope.split('/') {
        if let Some((name, value)) = segment.split_once(':')
            && name == level.as_str()
        {
            return Some(value);
        }
    }
    None
}
