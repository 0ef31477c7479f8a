//! API keys.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::strict::{self, Validate};
use crate::{JsonMap, Permission};

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
