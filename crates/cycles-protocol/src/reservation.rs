//! Reservations: creating, reading and listing them.

use serde::{Deserialize, Serialize};

use crate::accept::{IntoJsonMap, IntoMillis};
use crate::error::Error;
use crate::ids::{IdempotencyKey, ReservationId};
use crate::limits;
use crate::strict::{self, Validate};
use crate::wire::wire_enum;
use crate::{Action, Amount, Balance, Caps, Decision, JsonMap, Subject};

wire_enum! {
    /// What a commit above the estimate does (spec: `CommitOveragePolicy`).
    CommitOveragePolicy {
        /// Refuse the commit; the reservation stays active.
        Reject = "REJECT",
        /// Charge what is there; never refuse, never create debt.
        AllowIfAvailable = "ALLOW_IF_AVAILABLE",
        /// Let `remaining` go below zero, up to the overdraft limit.
        AllowWithOverdraft = "ALLOW_WITH_OVERDRAFT",
    }
}

wire_enum! {
    /// Where a reservation stands (spec: `ReservationStatus`).
    ReservationStatus {
        /// Holding budget.
        Active = "ACTIVE",
        /// Settled with the actual.
        Committed = "COMMITTED",
        /// Given back.
        Released = "RELEASED",
        /// Lease and grace ran out; given back.
        Expired = "EXPIRED",
    }
}

/// Asks to hold `estimate` on every budget that `subject` derives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, bon::Builder)]
pub struct ReservationCreateRequest {
    /// Makes the request safe to repeat; random unless set.
    #[builder(default, into)]
    pub idempotency_key: IdempotencyKey,
    /// Who spends.
    #[builder(default)]
    pub subject: Subject,
    /// On what.
    pub action: Action,
    /// How much to hold.
    pub estimate: Amount,
    /// Lease, milliseconds. Unset: the tenant's default, else 60,000.
    #[builder(with = |ms: impl IntoMillis| ms.into_millis())]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<i64>,
    /// Time after the lease in which a commit still settles. Unset: 5,000.
    #[builder(with = |ms: impl IntoMillis| ms.into_millis())]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_period_ms: Option<i64>,
    /// What a commit above the estimate does. Unset: policy, budget or tenant decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overage_policy: Option<CommitOveragePolicy>,
    /// Evaluate only; hold nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// Kept with the reservation.
    #[builder(with = |metadata: impl IntoJsonMap| metadata.into_json_map())]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonMap>,
}

impl ReservationCreateRequest {
    /// Whether this only asks.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.dry_run == Some(true)
    }
}

impl Validate for ReservationCreateRequest {
    fn validate(&self) -> Result<(), Error> {
        strict::idempotency_key(&self.idempotency_key)?;
        strict::subject(&self.subject)?;
        strict::action(&self.action)?;
        strict::amount("estimate", self.estimate)?;
        strict::range("ttl_ms", self.ttl_ms, &limits::TTL_MS)?;
        strict::range("grace_period_ms", self.grace_period_ms, &limits::GRACE_MS)?;
        strict::known("overage_policy", self.overage_policy, CommitOveragePolicy::Unknown)
    }
}

/// The authority's answer (spec: `ReservationCreateResponse`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReservationCreateResponse {
    /// `DENY` only on a dry run; a live refusal is an error.
    pub decision: Decision,
    /// Absent on a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<ReservationId>,
    /// What is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Amount>,
    /// When the lease ends, on the authority's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<i64>,
    /// What is left of the lease; computed anew on a replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_ttl_ms: Option<i64>,
    /// The deepest scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope_path: Option<String>,
    /// All scopes, root first.
    pub affected_scopes: Vec<String>,
    /// Only with `ALLOW_WITH_CAPS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caps: Option<Caps>,
    /// The budgets after the hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balances: Option<Vec<Balance>>,
    /// Why a dry run was denied; an open set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<String>,
    /// When asking again may help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<i64>,
    /// Signed evidence, where the server emits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles_evidence: Option<CyclesEvidenceRef>,
}

impl ReservationCreateResponse {
    /// An answer with a decision and scopes, and nothing else yet.
    #[must_use]
    pub fn new(decision: Decision, affected_scopes: Vec<String>) -> Self {
        Self {
            decision,
            reservation_id: None,
            reserved: None,
            expires_at_ms: None,
            remaining_ttl_ms: None,
            scope_path: affected_scopes.last().cloned(),
            affected_scopes,
            caps: None,
            balances: None,
            reason_code: None,
            retry_after_ms: None,
            cycles_evidence: None,
        }
    }
}

/// Points at signed evidence (spec: `CyclesEvidenceRef`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CyclesEvidenceRef {
    /// SHA-256 content id, 64 lower-case hex.
    pub evidence_id: String,
    /// Where the signed envelope is served.
    pub cycles_evidence_url: String,
}

/// Evidence of each operation on a reservation (spec: `ReservationEvidence`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationEvidence {
    /// Of the reserve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserve: Option<CyclesEvidenceRef>,
    /// Of the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CyclesEvidenceRef>,
    /// Of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<CyclesEvidenceRef>,
}

/// One reservation (spec: `ReservationDetail`, and `ReservationSummary`, which
/// has the same fields and leaves the heavy ones out unless asked).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReservationDetail {
    /// Its id.
    pub reservation_id: ReservationId,
    /// Where it stands.
    pub status: ReservationStatus,
    /// The key it was created with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<IdempotencyKey>,
    /// Who spends, as sent.
    pub subject: Subject,
    /// On what.
    pub action: Action,
    /// What was held.
    pub reserved: Amount,
    /// What was charged; only once committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed: Option<Amount>,
    /// When it was made.
    pub created_at_ms: i64,
    /// When its lease ends.
    pub expires_at_ms: i64,
    /// When it was committed or released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finalized_at_ms: Option<i64>,
    /// The deepest scope.
    pub scope_path: String,
    /// All scopes, root first.
    pub affected_scopes: Vec<String>,
    /// From the reserve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonMap>,
    /// From the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed_metadata: Option<JsonMap>,
    /// Where evidence is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<ReservationEvidence>,
}

impl ReservationDetail {
    /// A detail with all that every reservation has; the rest is set after.
    #[must_use]
    pub fn new(
        reservation_id: ReservationId,
        status: ReservationStatus,
        (subject, action): (Subject, Action),
        reserved: Amount,
        (created_at_ms, expires_at_ms): (i64, i64),
        affected_scopes: Vec<String>,
    ) -> Self {
        Self {
            reservation_id,
            status,
            idempotency_key: None,
            subject,
            action,
            reserved,
            committed: None,
            created_at_ms,
            expires_at_ms,
            finalized_at_ms: None,
            scope_path: affected_scopes.last().cloned().unwrap_or_default(),
            affected_scopes,
            metadata: None,
            committed_metadata: None,
            evidence: None,
        }
    }
}

/// A row of a listing: a [`ReservationDetail`] without the heavy fields.
pub type ReservationSummary = ReservationDetail;

/// One page of reservations (spec: `ReservationListResponse`).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReservationListResponse {
    /// The rows.
    pub reservations: Vec<ReservationSummary>,
    /// Where the next page starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_more: Option<bool>,
}
