//! Asking without holding.

use serde::{Deserialize, Serialize};

use crate::accept::IntoJsonMap;
use crate::error::Error;
use crate::ids::IdempotencyKey;
use crate::strict::{self, Validate};
use crate::wire::wire_enum;
use crate::{Action, Amount, Caps, CyclesEvidenceRef, JsonMap, Subject};

wire_enum! {
    /// Whether the work may go on (spec: `DecisionEnum`).
    Decision {
        /// It may.
        Allow = "ALLOW",
        /// It may, within caps.
        AllowWithCaps = "ALLOW_WITH_CAPS",
        /// It may not.
        Deny = "DENY",
    }
}

impl Decision {
    /// Whether the work may go on.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        matches!(self, Self::Allow | Self::AllowWithCaps)
    }

    /// Whether the work may not go on; an unknown decision does not allow.
    #[must_use]
    pub const fn is_denied(self) -> bool {
        !self.is_allowed()
    }
}

/// Asks what a reservation would be answered (spec: `DecisionRequest`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, bon::Builder)]
pub struct DecisionRequest {
    /// Makes the request safe to repeat; random unless set.
    #[builder(default, into)]
    pub idempotency_key: IdempotencyKey,
    /// Who would spend.
    #[builder(default)]
    pub subject: Subject,
    /// On what.
    pub action: Action,
    /// How much.
    pub estimate: Amount,
    /// For audit.
    #[builder(with = |metadata: impl IntoJsonMap| metadata.into_json_map())]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonMap>,
}

impl Validate for DecisionRequest {
    fn validate(&self) -> Result<(), Error> {
        strict::idempotency_key(&self.idempotency_key)?;
        strict::subject(&self.subject)?;
        strict::action(&self.action)?;
        strict::amount("estimate", self.estimate)
    }
}

/// The authority's answer (spec: `DecisionResponse`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionResponse {
    /// Whether the work may go on, as of now.
    pub decision: Decision,
    /// Only with `ALLOW_WITH_CAPS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<Caps>,
    /// Why it was denied; an open set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// When asking again may help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<i64>,
    /// All scopes, root first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affected_scopes: Option<Vec<String>>,
    /// Signed evidence, where the server emits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles_evidence: Option<CyclesEvidenceRef>,
}
