//! Extending a lease.

use serde::{Deserialize, Serialize};

use crate::accept::{IntoJsonMap, IntoMillis};
use crate::error::Error;
use crate::ids::IdempotencyKey;
use crate::limits;
use crate::strict::{self, Validate};
use crate::wire::wire_enum;
use crate::{Balance, JsonMap};

wire_enum! {
    /// Outcome of an extension.
    ExtendStatus {
        /// Still holding.
        Active = "ACTIVE",
    }
}

/// Moves a reservation's expiry outward (spec: `ReservationExtendRequest`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, bon::Builder)]
pub struct ExtendRequest {
    /// Makes the request safe to repeat; random unless set.
    #[builder(default, into)]
    pub idempotency_key: IdempotencyKey,
    /// Milliseconds, relative to the current expiry and not to now.
    #[builder(with = |ms: impl IntoMillis| ms.into_millis())]
    pub extend_by_ms: i64,
    /// For audit.
    #[builder(with = |metadata: impl IntoJsonMap| metadata.into_json_map())]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<JsonMap>,
}

impl ExtendRequest {
    /// An extension under a fresh key.
    #[must_use]
    pub fn new(extend_by_ms: impl IntoMillis) -> Self {
        Self::builder().extend_by_ms(extend_by_ms).build()
    }
}

impl Validate for ExtendRequest {
    fn validate(&self) -> Result<(), Error> {
        strict::idempotency_key(&self.idempotency_key)?;
        strict::range("extend_by_ms", Some(self.extend_by_ms), &limits::EXTEND_BY_MS)
    }
}

/// The authority's answer (spec: `ReservationExtendResponse`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExtendResponse {
    /// Always `ACTIVE`.
    pub status: ExtendStatus,
    /// The new expiry, on the authority's clock.
    pub expires_at_ms: i64,
    /// What is left of the lease; computed anew on a replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remaining_ttl_ms: Option<i64>,
    /// The budgets now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balances: Option<Vec<Balance>>,
}
