//! API keys.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::strict::{self, Validate};
use crate::wire::wire_enum;
use crate::{JsonMap, Permission};

wire_enum! {
    /// Where a key stands (governance spec: `ApiKey.status`).
    ApiKeyStatus {
        /// It works.
        Active = "ACTIVE",
        /// It was taken back, for good.
        Revoked = "REVOKED",
        /// Its time is over.
        Expired = "EXPIRED",
    }
}

/// A key without its secret (governance spec: `ApiKey`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Names the key.
    pub key_id: String,
    /// Whose.
    pub tenant_id: String,
    /// How the secret starts.
    pub key_prefix: String,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Where it stands.
    pub status: ApiKeyStatus,
    /// What it may do.
    pub permissions: Vec<Permission>,
    /// Where; everywhere in the tenant when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scope_filter: Vec<String>,
    /// ISO 8601.
    pub created_at: String,
    /// ISO 8601; a seed's key has none that ends within its life.
    pub expires_at: String,
    /// ISO 8601, of a revoked one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
    /// Why it was revoked, as the operator said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_reason: Option<String>,
    /// Kept as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonMap>,
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
