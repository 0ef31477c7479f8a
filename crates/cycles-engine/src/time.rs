//! ISO 8601, as the governance plane writes time.

use cycles_protocol::{Error, ErrorCode};
use jiff::Timestamp;

/// Milliseconds since the epoch as text; beyond the calendar, the number.
pub(crate) fn iso(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |time| time.to_string())
}

/// Reads a date-time.
pub(crate) fn parse(field: &str, text: &str) -> Result<i64, Error> {
    text.parse::<Timestamp>().map(Timestamp::as_millisecond).map_err(|_| {
        Error::new(
            ErrorCode::InvalidRequest,
            format!("must be an ISO 8601 date-time, like 2026-01-31T00:00:00Z field={field}"),
        )
    })
}
