//! Policies and caps of a seed.

use cycles_protocol::control::PolicyStatus;
use cycles_protocol::{Caps, CommitOveragePolicy};
use serde::{Deserialize, Serialize};

/// A policy of a [`Seed`](super::Seed), shaped as the governance spec's, and
/// with what its closed bodies have no field for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedPolicy {
    /// Whose; the tenant that the pattern starts at unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// For people; numbered unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// See `ScopePattern`.
    pub scope_pattern: String,
    /// Of several that match, the highest wins; 0 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Soft limits for matching scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<SeedCaps>,
    /// Overage policy where the request sets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_overage_policy: Option<CommitOveragePolicy>,
    /// Leases of matching scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_ttl_override: Option<SeedLease>,
    /// Whether it counts; active unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<PolicyStatus>,
    /// ISO 8601; from when it is in effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<String>,
    /// ISO 8601; from when it no longer is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_until: Option<String>,
}

/// Caps of a seed's budget or policy, and from when they apply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedCaps {
    /// Percent of the budget that is charged, held or owed once the request's
    /// own hold stands; 0, always, unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_utilization: Option<u8>,
    /// See `Caps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<i64>,
    /// See `Caps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps_remaining: Option<i64>,
    /// See `Caps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_allowlist: Option<Vec<String>>,
    /// See `Caps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_denylist: Option<Vec<String>>,
    /// See `Caps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown_ms: Option<i64>,
}

impl SeedCaps {
    /// The caps without their threshold.
    #[must_use]
    pub fn caps(&self) -> Caps {
        Caps {
            max_tokens: self.max_tokens,
            max_steps_remaining: self.max_steps_remaining,
            tool_allowlist: self.tool_allowlist.clone(),
            tool_denylist: self.tool_denylist.clone(),
            cooldown_ms: self.cooldown_ms,
        }
    }
}

/// Leases of a seed's policy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeedLease {
    /// Lease where the request sets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_ttl_ms: Option<i64>,
    /// Longest lease, in place of the tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ttl_ms: Option<i64>,
    /// Most extensions of one reservation, in place of the tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_extensions: Option<i64>,
}
