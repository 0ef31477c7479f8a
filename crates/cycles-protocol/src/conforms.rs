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
    let named = |error: Error| error.in_request_of(response.header(headers::REQUEST_ID));
    read_unnamed(response).map_err(named)
}

fn read_unnamed<T: Conforms>(response: &RawResponse) -> Result<T, Error> {
    let status = response.status;
    if response.is_success() {
        return match serde_json::from_slice::<T>(&response.body) {
            Ok(value) if status == T::STATUS && value.conforms() => Ok(value),
            Ok(_) if status == T::STATUS => {
                Err(unexpected(status, "answer has a value that this version does not know"))
            }
            Ok(_) => Err(unexpected(status, "answer has a status that the spec does not name")),
            Err(error) => Err(unexpected(
                status,
                &format!("answer cannot be read; is base_url an authority? reason={error}"),
            )),
        };
    }
    let wait = retry_after(response);
    if let Ok(body) = serde_json::from_slice::<ErrorResponse>(&response.body) {
        return Err(Error::from_response(status, body, wait));
    }
    let error = match response.header("location") {
        Some(to) if matches!(status, 300..=399) => unexpected(
            status,
            &format!(
                "base_url redirects, which is not followed; set base_url to where it points location={to}"
            ),
        ),
        _ => unexpected(status, "answer is not the spec's error body; is base_url an authority?"),
    };
    Err(match wait {
        Some(wait) => error.retry_after_hint(wait),
        None => error,
    })
}

fn unexpected(status: u16, message: &str) -> Error {
    Error::outcome_unknown(Some(status), format!("{message} status={status}"))
}

/// spec: an authority's `Retry-After` is whole seconds; on its 429 the date form
/// is invalid. A proxy that answers in its stead may send a date (RFC 9110):
/// what counts then is its distance from the answer's own date, so that no
/// clock of ours is asked.
fn retry_after(response: &RawResponse) -> Option<Duration> {
    let value = response.header(headers::RETRY_AFTER)?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    if response.status == 429 {
        return None;
    }
    let date = |text| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
    let (until, sent) = (date(value)?, date(response.header("date")?)?);
    Some(until.duration_since(sent).try_into().unwrap_or_default())
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
            // A dry run holds nothing. The spec does not require the expiry of a live one.
            Decision::Allow | Decision::AllowWithCaps => true,
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

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn wait(status: u16, retry_after: &str, date: Option<&str>) -> Option<Duration> {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![header("retry-after", retry_after)];
        headers.extend(date.map(|date| header("date", date)));
        let response = RawResponse { status, headers, body: b"<html>".to_vec() };
        read::<CommitResponse>(&response).unwrap_err().retry_after()
    }

    #[test]
    fn a_wait_is_seconds_or_a_proxys_date() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (status, retry_after, date, expected) in [
            (429, "30", None, seconds(30)),
            (503, "30", Some(SENT), seconds(30)),
            (503, "Sun, 06 Nov 1994 08:51:07 GMT", Some(SENT), seconds(90)),
            // Passed already: at once.
            (503, "Sun, 06 Nov 1994 08:49:07 GMT", Some(SENT), seconds(0)),
            (503, "Sun, 06 Nov 1994 08:51:07 GMT", None, None),
            (429, "Sun, 06 Nov 1994 08:51:07 GMT", Some(SENT), None),
            (503, "soon", Some(SENT), None),
            (503, "-1", Some(SENT), None),
        ] {
            assert_eq!(wait(status, retry_after, date), expected, "{status} {retry_after}");
        }
    }
}
