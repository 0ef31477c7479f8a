//! Tenants.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::strict::{self, Validate};
use crate::wire::wire_enum;
use crate::{CommitOveragePolicy, JsonMap, limits};

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
    /// When it was last changed, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// Since when it is suspended, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_at: Option<String>,
    /// When it was closed, ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<String>,
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
            updated_at: None,
            suspended_at: None,
            closed_at: None,
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

/// Asks to change a tenant (governance spec: `updateTenant`); what is unset stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TenantUpdateRequest {
    /// See [`Tenant`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is to stand; closing is for good, and takes all that it owns along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<TenantStatus>,
    /// In place of what there was.
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
}

impl Validate for TenantUpdateRequest {
    fn validate(&self) -> Result<(), Error> {
        strict::length("name", self.name.as_deref(), 0, 256)?;
        strict::known("status", self.status, TenantStatus::Unknown)?;
        settings(
            self.default_commit_overage_policy,
            self.default_reservation_ttl_ms,
            self.max_reservation_ttl_ms,
            self.max_reservation_extensions,
        )
    }
}

/// Checks what a tenant says of its reservations.
fn settings(
    overage_policy: Option<CommitOveragePolicy>,
    ttl_ms_default: Option<i64>,
    ttl_ms_max: Option<i64>,
    extensions_max: Option<i64>,
) -> Result<(), Error> {
    let policy = "default_commit_overage_policy";
    strict::known(policy, overage_policy, CommitOveragePolicy::Unknown)?;
    strict::range("default_reservation_ttl_ms", ttl_ms_default, &limits::TTL_MS)?;
    strict::range("max_reservation_ttl_ms", ttl_ms_max, &limits::TTL_MS)?;
    strict::not_negative("max_reservation_extensions", extensions_max)
}

impl TenantCreateRequest {
    /// Checks the settings; a seed may use ids that the endpoint would refuse.
    ///
    /// # Errors
    /// `INVALID_REQUEST` naming the field.
    pub fn validate_settings(&self) -> Result<(), Error> {
        settings(
            self.default_commit_overage_policy,
            self.default_reservation_ttl_ms,
            self.max_reservation_ttl_ms,
            self.max_reservation_extensions,
        )?;
        match self.reservation_expiry_policy.as_deref() {
            None | Some("AUTO_RELEASE" | "MANUAL_CLEANUP" | "GRACE_ONLY") => Ok(()),
            Some(_) => Err(Error::new(
                crate::ErrorCode::InvalidRequest,
                "must be AUTO_RELEASE, MANUAL_CLEANUP or GRACE_ONLY field=reservation_expiry_policy",
            )),
        }
    }
}
