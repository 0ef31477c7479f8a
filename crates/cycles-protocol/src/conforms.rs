//! What a client takes for an answer: how a response in wire form is read.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::{
    BalanceResponse, CommitResponse, CommitStatus, Decision, DecisionResponse, Error,
    ErrorResponse, EventCreateResponse, EventStatus, ExtendResponse, ExtendStatus, RawResponse,
    ReleaseResponse, ReleaseStatus, ReservationCreateResponse, ReservationDetail,
    ReservationListResponse, ReservationStatus, Unit, headers,
};

/// Reads an answer: a conforming success, a refusal in the spec's form, or
/// neither, which leaves the outcome unknown (spec: "a different or malformed
/// 2xx response is ambiguous").
///
/// # Errors
/// The refusal; kind `OutcomeUnknown` for what conforms to neither.
pub fn read<T: Conforms>(response: &RawResponse) -> Result<T, Error> {
    let status = response.status;
    if response.is_success() {
        return match serde_json::from_slice::<T>(&response.body) {
            Ok(value) if status == T::STATUS && value.conforms() => Ok(value),
            Ok(_) => Err(unexpected(status, "answer does not conform to the spec")),
            Err(error) => Err(unexpected(status, &format!("answer cannot be read: {error}"))),
        };
    }
    let wait = retry_after(response);
    if let Ok(body) = serde_json::from_slice::<ErrorResponse>(&response.body) {
        return Err(Error::from_response(status, body, wait));
    }
    let error =
        unexpected(status, "answer is not the spec's error body; is base_url an authority?");
    Err(match wait {
        Some(wait) => error.retry_after_hint(wait),
        None => error,
    })
}

fn unexpected(status: u16, message: &str) -> Error {
    Error::outcome_unknown(Some(status), format!("{message} status={status}"))
}

/// spec: header `Retry-After` is whole seconds; the date form is invalid.
fn retry_after(response: &RawResponse) -> Option<Duration> {
    response.header(headers::RETRY_AFTER)?.trim().parse().ok().map(Duration::from_secs)
}

/// What makes a 2xx a success: the declared status, and known enum values.
pub trait Conforms: DeserializeOwned + Send {
    /// The one status of a success.
    const STATUS: u16 = 200;

    /// Whether every value is one that the spec names.
    fn conforms(&self) -> bool;
}

impl Conforms for ReservationCreateResponse {
    fn conforms(&self) -> bool {
        let held = self.reservation_id.is_some();
        match self.decision {
            // A dry run holds nothing; a live one names what it holds.
            Decision::Allow | Decision::AllowWithCaps => !held || self.expires_at_ms.is_some(),
            Decision::Deny => !held,
            _ => false,
        }
    }
}

impl Conforms for CommitResponse {
    fn conforms(&self) -> bool {
        self.status == CommitStatus::Committed && self.charged.unit != Unit::Unknown
    }
}

impl Conforms for ReleaseResponse {
    fn conforms(&self) -> bool {
        self.status == ReleaseStatus::Released && self.released.unit != Unit::Unknown
    }
}

impl Conforms for ExtendResponse {
    fn conforms(&self) -> bool {
        self.status == ExtendStatus::Active && self.expires_at_ms >= 0
    }
}

impl Conforms for DecisionResponse {
    fn conforms(&self) -> bool {
        self.decision != Decision::Unknown
    }
}

impl Conforms for EventCreateResponse {
    const STATUS: u16 = 201;

    fn conforms(&self) -> bool {
        self.status == EventStatus::Applied
    }
}

impl Conforms for BalanceResponse {
    fn conforms(&self) -> bool {
        true
    }
}

impl Conforms for ReservationListResponse {
    fn conforms(&self) -> bool {
        true
    }
}

impl Conforms for ReservationDetail {
    fn conforms(&self) -> bool {
        self.status != ReservationStatus::Unknown
    }
}
