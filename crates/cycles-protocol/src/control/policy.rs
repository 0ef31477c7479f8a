//! Policies: caps, overage and leases for the scopes that a pattern names.

use serde::{Deserialize, Serialize};

use super::ScopePattern;
use crate::error::{Error, ErrorCode};
use crate::strict::{self, Validate};
use crate::wire::wire_enum;
use crate::{Caps, CommitOveragePolicy, limits};

wire_enum! {
    /// Whether a policy counts (governance spec: `Policy.status`).
    PolicyStatus {
        /// It does, while it is in effect.
        Active = "ACTIVE",
        /// It does not.
        Disabled = "DISABLED",
    }
}

/// A policy (governance spec: `Policy`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Policy {
    /// Names it.
    pub policy_id: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// See [`ScopePattern`]; in lower case.
    pub scope_pattern: String,
    /// Of several policies that match, the highest wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// Soft limits for matching scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<Caps>,
    /// Overage policy where the request sets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_overage_policy: Option<CommitOveragePolicy>,
    /// Leases of matching scopes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_ttl_override: Option<ReservationTtlOverride>,
    /// Whether it counts.
    pub status: PolicyStatus,
    /// ISO 8601; from when it is in effect, from the start unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<String>,
    /// ISO 8601; from when it no longer is, never unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_until: Option<String>,
    /// ISO 8601.
    pub created_at: String,
}

impl Policy {
    /// The policy that a request asks for, made at `created_at`.
    #[must_use]
    pub fn from_request(
        request: PolicyCreateRequest,
        policy_id: String,
        status: PolicyStatus,
        created_at: String,
    ) -> Self {
        Self {
            policy_id,
            name: Some(request.name),
            description: request.description,
            scope_pattern: request.scope_pattern.to_ascii_lowercase(),
            priority: Some(request.priority.unwrap_or(0)),
            caps: request.caps,
            commit_overage_policy: request.commit_overage_policy,
            reservation_ttl_override: request.reservation_ttl_override,
            status,
            effective_from: request.effective_from,
            effective_until: request.effective_until,
            created_at,
        }
    }
}

/// Asks for a policy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyCreateRequest {
    /// Required with the admin key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_id: Option<String>,
    /// For people; the tenant has no other policy of this name.
    pub name: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// See [`ScopePattern`].
    pub scope_pattern: String,
    /// 0 unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i64>,
    /// See [`Policy`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<Caps>,
    /// See [`Policy`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_overage_policy: Option<CommitOveragePolicy>,
    /// See [`Policy`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_ttl_override: Option<ReservationTtlOverride>,
    /// Must set no limit: nothing enforces them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate_limits: Option<RateLimits>,
    /// See [`Policy`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<String>,
    /// See [`Policy`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_until: Option<String>,
}

impl Validate for PolicyCreateRequest {
    fn validate(&self) -> Result<(), Error> {
        strict::length("name", Some(&self.name), 0, 256)?;
        strict::length("description", self.description.as_deref(), 0, 1024)?;
        ScopePattern::parse(&self.scope_pattern)?;
        strict::not_negative("priority", self.priority)?;
        self.caps.as_ref().map_or(Ok(()), Validate::validate)?;
        strict::known(
            "commit_overage_policy",
            self.commit_overage_policy,
            CommitOveragePolicy::Unknown,
        )?;
        self.reservation_ttl_override.as_ref().map_or(Ok(()), Validate::validate)?;
        match self.rate_limits {
            None
            | Some(RateLimits {
                max_reservations_per_minute: None,
                max_commits_per_minute: None,
            }) => Ok(()),
            // A limit that is stored and not kept is worse than none.
            Some(_) => Err(Error::new(
                ErrorCode::InvalidRequest,
                "this authority does not enforce rate limits of policies; leave them out field=rate_limits",
            )),
        }
    }
}

/// Leases of matching scopes (governance spec: `ReservationTtlOverride`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationTtlOverride {
    /// Lease where the request sets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_ttl_ms: Option<i64>,
    /// Longest lease; longer requests are cut to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ttl_ms: Option<i64>,
    /// Most extensions of one reservation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_extensions: Option<i64>,
}

impl Validate for ReservationTtlOverride {
    fn validate(&self) -> Result<(), Error> {
        let field = |name: &str| format!("reservation_ttl_override.{name}");
        strict::range(&field("default_ttl_ms"), self.default_ttl_ms, &limits::TTL_MS)?;
        strict::range(&field("max_ttl_ms"), self.max_ttl_ms, &limits::TTL_MS)?;
        strict::not_negative(&field("max_extensions"), self.max_extensions)
    }
}

/// Requests per minute and scope (governance spec: `RateLimits`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimits {
    /// Most reserves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_reservations_per_minute: Option<i64>,
    /// Most commits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_commits_per_minute: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(fields: &str) -> Result<PolicyCreateRequest, Error> {
        let body = format!(r#"{{"name":"p","scope_pattern":"tenant:acme/*"{fields}}}"#);
        strict::parse(body.as_bytes())
    }

    #[test]
    fn the_specs_example_passes() {
        let policy = parse(r#","priority":10,"caps":{"max_tokens":4096,"max_steps_remaining":10}"#);
        assert_eq!(policy.unwrap().caps.unwrap().max_tokens, Some(4096));
        assert!(parse(r#","rate_limits":{}"#).is_ok(), "no limit at all");
    }

    #[test]
    fn every_deviation_is_refused_and_named() {
        let tools: Vec<String> =
            (0..=limits::TOOLS_MAX).map(|tool| format!("\"{tool}\"")).collect();
        for (fields, says) in [
            (r#","priority":-1"#, "priority"),
            (r#","priority":1.5"#, "floating point"),
            (r#","caps":{"max_tokens":-1}"#, "caps.max_tokens"),
            (r#","caps":{"cooldown_ms":-1}"#, "caps.cooldown_ms"),
            (r#","caps":{"at_utilization":80}"#, "at_utilization"),
            (&format!(r#","caps":{{"tool_denylist":["{}"]}}"#, "t".repeat(257)), "tool_denylist"),
            (&format!(r#","caps":{{"tool_allowlist":[{}]}}"#, tools.join(",")), "tool_allowlist"),
            (r#","commit_overage_policy":"MAYBE""#, "commit_overage_policy"),
            (r#","reservation_ttl_override":{"max_ttl_ms":999}"#, "max_ttl_ms"),
            (r#","reservation_ttl_override":{"max_extensions":-1}"#, "max_extensions"),
            (r#","reservation_ttl_override":{"ttl":1}"#, "unknown field"),
            (r#","rate_limits":{"max_commits_per_minute":5}"#, "rate_limits"),
            (r#","rate_limits":{"burst":5}"#, "burst"),
            (r#","status":"ACTIVE""#, "status"),
            (r#","thresholds":[80]"#, "thresholds"),
        ] {
            let error = parse(fields).expect_err(fields);
            assert_eq!(error.code(), ErrorCode::InvalidRequest);
            assert!(error.message().contains(says), "{fields}: {error}");
        }
    }
}
