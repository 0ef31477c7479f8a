//! Commit and release: the two ways a reservation ends on purpose.

use serde::{Deserialize, Serialize};

use crate::accept::IntoJsonMap;
use crate::error::Error;
use crate::ids::{EventId, IdempotencyKey};
use crate::limits;
use crate::strict::{self, Validate};
use crate::wire::wire_enum;
use crate::{Amount, Balance, CyclesEvidenceRef, JsonMap};

wire_enum! {
    /// Outcome of a commit.
    CommitStatus {
        /// Charged.
        Committed = "COMMITTED",
        /// Only from our SDK: the lease had run out, and the spend was booked
        /// as a direct debit with the same key. No server answers this.
        RecoveredViaEvent = "RECOVERED_VIA_EVENT",
    }
}

wire_enum! {
    /// Outcome of a release.
    ReleaseStatus {
        /// Given back.
        Released = "RELEASED",
    }
}

/// Measurements of the work (spec: `StandardMetrics`). They decide nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CyclesMetrics {
    /// Tokens consumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_input: Option<i64>,
    /// Tokens generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_output: Option<i64>,
    /// How long the work took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<i64>,
    /// Model or tool version; at most 128 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_version: Option<String>,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom: Option<JsonMap>,
}

impl CyclesMetrics {
    /// Sets one custom entry.
    pub fn put_custom(&mut self, key: impl Into<String>, value: impl Into<serde_json::Value>) {
        self.custom.get_or_insert_default().insert(key.into(), value.into());
    }

    /// Whether nothing was measured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Validate for CyclesMetrics {
    fn validate(&self) -> Result<(), Error> {
        strict::not_negative("metrics.tokens_input", self.tokens_input)?;
        strict::not_negative("metrics.tokens_output", self.tokens_output)?;
        strict::not_negative("metrics.latency_ms", self.latency_ms)?;
        strict::length(
            "metrics.model_version",
            self.model_version.as_deref(),
            0,
            limits::MODEL_VERSION_MAX,
        )
    }
}

/// Says what the work really cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, bon::Builder)]
pub struct CommitRequest {
    /// Makes the request safe to repeat; random unless set.
    #[builder(default, into)]
    pub idempotency_key: IdempotencyKey,
    /// What it really cost, in the estimate's unit.
    pub actual: Amount,
    /// Measurements of the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<CyclesMetrics>,
    /// Kept with the reservation as `committed_metadata`.
    #[builder(with = |metadata: impl IntoJsonMap| metadata.into_json_map())]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonMap>,
}

impl Validate for CommitRequest {
    fn validate(&self) -> Result<(), Error> {
        strict::idempotency_key(&self.idempotency_key)?;
        strict::amount("actual", self.actual)?;
        self.metrics.as_ref().map_or(Ok(()), Validate::validate)
    }
}

/// The authority's answer (spec: `CommitResponse`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommitResponse {
    /// Always `COMMITTED`.
    pub status: CommitStatus,
    /// What was charged; less than the actual where the overage was capped.
    pub charged: Amount,
    /// What went back, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Amount>,
    /// The budgets after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balances: Option<Vec<Balance>>,
    /// Signed evidence, where the server emits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles_evidence: Option<CyclesEvidenceRef>,
    /// Only from our SDK: the direct debit that booked the spend, where the
    /// lease had run out. Set exactly with [`CommitStatus::RecoveredViaEvent`].
    #[serde(default, skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub recovered_via_event: Option<EventId>,
}

impl CommitResponse {
    /// Whether the spend was booked as a direct debit, not on its reservation.
    #[must_use]
    pub const fn is_recovered_via_event(&self) -> bool {
        self.recovered_via_event.is_some()
    }
}

/// Gives a reservation back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, bon::Builder)]
pub struct ReleaseRequest {
    /// Makes the request safe to repeat; random unless set.
    #[builder(default, into)]
    pub idempotency_key: IdempotencyKey,
    /// Why; at most 256 characters.
    #[builder(into)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl ReleaseRequest {
    /// A release under a fresh key.
    #[must_use]
    pub fn new(reason: Option<String>) -> Self {
        Self { idempotency_key: IdempotencyKey::random(), reason }
    }
}

impl Validate for ReleaseRequest {
    fn validate(&self) -> Result<(), Error> {
        strict::idempotency_key(&self.idempotency_key)?;
        strict::length("reason", self.reason.as_deref(), 0, limits::RELEASE_REASON_MAX)
    }
}

/// The authority's answer (spec: `ReleaseResponse`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseResponse {
    /// Always `RELEASED`.
    pub status: ReleaseStatus,
    /// What went back.
    pub released: Amount,
    /// The budgets after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balances: Option<Vec<Balance>>,
    /// Signed evidence, where the server emits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles_evidence: Option<CyclesEvidenceRef>,
}
