//! Scope derivation (spec: SCOPE DERIVATION).
//!
//! A subject's levels, in canonical order and without gaps filled, make
//! cumulative prefixes: `{tenant: acme, agent: bot}` gives `tenant:acme` and
//! `tenant:acme/agent:bot`. Values are lower-cased, as budgets' scopes are.

use crate::error::{Error, ErrorCode};
use crate::limits;
use crate::subject::Subject;

/// The six levels in canonical order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// The isolation boundary.
    Tenant,
    /// Second level.
    Workspace,
    /// Third level.
    App,
    /// Fourth level.
    Workflow,
    /// Fifth level.
    Agent,
    /// Sixth level.
    Toolset,
}

impl Level {
    /// Canonical order, root first.
    pub const ALL: [Self; 6] =
        [Self::Tenant, Self::Workspace, Self::App, Self::Workflow, Self::Agent, Self::Toolset];

    /// The level's name in scopes and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Workspace => "workspace",
            Self::App => "app",
            Self::Workflow => "workflow",
            Self::Agent => "agent",
            Self::Toolset => "toolset",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

/// All scopes that a subject touches, root first. The tenant stands first even
/// when the subject leaves it out (decision: "Subject without a tenant").
#[must_use]
pub fn derive(subject: &Subject, tenant: &str) -> Vec<String> {
    of_levels(subject.levels(), tenant)
}

/// As [`derive`], from the levels that are set, root first.
#[must_use]
pub fn of_levels<'a>(
    levels: impl IntoIterator<Item = (Level, &'a str)>,
    tenant: &str,
) -> Vec<String> {
    let mut scopes = Vec::with_capacity(Level::ALL.len());
    scopes.push(below("", Level::Tenant, tenant));
    let deeper = levels.into_iter().filter(|(level, _)| *level != Level::Tenant);
    for (parent, (level, value)) in deeper.enumerate() {
        scopes.push(below(&scopes[parent], level, value));
    }
    scopes
}

/// The scope of `value` below `parent`, which is lower-cased.
fn below(parent: &str, level: Level, value: &str) -> String {
    let level = level.as_str();
    let mut path = String::with_capacity(parent.len() + level.len() + value.len() + 2);
    if !parent.is_empty() {
        path.push_str(parent);
        path.push('/');
    }
    path.push_str(level);
    path.push(':');
    let start = path.len();
    path.push_str(value);
    path[start..].make_ascii_lowercase();
    path
}

/// The last segment of a scope path: `agent:bot` of `tenant:acme/agent:bot`.
#[must_use]
pub fn leaf(scope_path: &str) -> &str {
    scope_path.rsplit('/').next().unwrap_or(scope_path)
}

/// The tenant that a scope path starts with.
#[must_use]
pub fn tenant(scope_path: &str) -> Option<&str> {
    scope_path.split('/').next()?.strip_prefix("tenant:")
}

/// Checks and lower-cases a budget's scope: it must start at a tenant, keep the
/// canonical order and name no level twice.
///
/// # Errors
/// `INVALID_REQUEST` naming the segment that is wrong.
pub fn canonical(scope_path: &str) -> Result<String, Error> {
    let invalid = |what: &str| {
        Error::new(
            ErrorCode::InvalidRequest,
            format!(
                "invalid scope, {what}; write it like tenant:acme/workspace:prod scope={scope_path:?}"
            ),
        )
    };
    let mut last: Option<Level> = None;
    for segment in scope_path.split('/') {
        let (name, value) =
            segment.split_once(':').ok_or_else(|| invalid("a segment lacks level:value"))?;
        let level = Level::parse(name).ok_or_else(|| invalid("a level is not known"))?;
        if !limits::is_subject_value(value) {
            return Err(invalid(
                "a value is empty, too long or has other characters than a-z A-Z 0-9 _ . -",
            ));
        }
        match last {
            None if level != Level::Tenant => return Err(invalid("it must start with tenant:")),
            Some(previous) if previous >= level => {
                return Err(invalid("levels are out of order or repeated"));
            }
            _ => last = Some(level),
        }
    }
    Ok(scope_path.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(tenant: Option<&str>, agent: &str) -> Subject {
        Subject { tenant: tenant.map(Into::into), agent: Some(agent.into()), ..Subject::default() }
    }

    #[test]
    fn gaps_are_skipped_and_values_lower_cased() {
        assert_eq!(
            derive(&subject(Some("acme"), "Bot"), "acme"),
            ["tenant:acme", "tenant:acme/agent:bot"]
        );
    }

    #[test]
    fn the_keys_tenant_stands_first() {
        assert_eq!(derive(&subject(None, "b"), "acme"), ["tenant:acme", "tenant:acme/agent:b"]);
    }

    #[test]
    fn canonical_refuses_what_no_subject_derives() {
        assert_eq!(canonical("tenant:acme/agent:Bot").unwrap(), "tenant:acme/agent:bot");
        for bad in [
            "",
            "acme",
            "agent:x",
            "tenant:a/agent:x/app:y",
            "tenant:a/agent:x/agent:y",
            "tenant:a/team:x",
            "tenant:",
            "tenant:a b",
        ] {
            assert!(canonical(bad).is_err(), "{bad:?}");
        }
    }
}
