//! Direct debits: accounting without a reservation.

use serde::{Deserialize, Serialize};

use crate::accept::{IntoJsonMap, IntoMillis};
use crate::error::Error;
use crate::ids::{EventId, IdempotencyKey};
use crate::strict::{self, Validate};
use crate::wire::wire_enum;
use crate::{Action, Amount, Balance, CommitOveragePolicy, CyclesMetrics, JsonMap, Subject};

wire_enum! {
    /// Outcome of a direct debit.
    EventStatus {
        /// Charged on every budgeted scope.
        Applied = "APPLIED",
    }
}

/// Charges `actual` at once (spec: `EventCreateRequest`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, bon::Builder)]
pub struct EventCreateRequest {
    /// Makes the request safe to repeat; random unless set.
    #[builder(default, into)]
    pub idempotency_key: IdempotencyKey,
    /// Who spent.
    #[builder(default)]
    pub subject: Subject,
    /// On what.
    pub action: Action,
    /// How much.
    pub actual: Amount,
    /// What happens when the budget does not cover it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overage_policy: Option<CommitOveragePolicy>,
    /// Measurements of the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<CyclesMetrics>,
    /// When the client saw it; advisory.
    #[builder(with = |ms: u64| ms.into_millis())]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_time_ms: Option<i64>,
    /// Kept with the debit.
    #[builder(with = |metadata: impl IntoJsonMap| metadata.into_json_map())]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonMap>,
}

impl Validate for EventCreateRequest {
    fn validate(&self) -> Result<(), Error> {
        strict::idempotency_key(&self.idempotency_key)?;
        strict::subject(&self.subject)?;
        strict::action(&self.action)?;
        strict::amount("actual", self.actual)?;
        strict::known("overage_policy", self.overage_policy, CommitOveragePolicy::Unknown)?;
        strict::not_negative("client_time_ms", self.client_time_ms)?;
        self.metrics.as_ref().map_or(Ok(()), Validate::validate)
    }
}

/// The authority's answer (spec: `EventCreateResponse`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventCreateResponse {
    /// Always `APPLIED`.
    pub status: EventStatus,
    /// Names the debit.
    pub event_id: EventId,
    /// Only where the charge was capped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charged: Option<Amount>,
    /// The budgets after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balances: Option<Vec<Balance>>,
}
