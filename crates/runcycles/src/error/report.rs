//! Errors as the language packages see them.

use cycles_protocol::{Error as Refusal, ErrorCode, ErrorKind, JsonMap};
use serde::Serialize;

use super::hint;
use crate::lease::LeaseLost;

/// An error as the language packages receive it; they raise one class per
/// [`kind`](Self::kind).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ErrorReport {
    /// One of [`ErrorReport::KINDS`].
    pub kind: &'static str,
    /// The spec's code, where the authority refused.
    pub code: Option<&'static str>,
    /// The HTTP status, where something answered.
    pub status: Option<u16>,
    /// For people.
    pub message: String,
    /// The reason of a `DENY` that came as an answer and not as a refusal.
    pub reason_code: Option<String>,
    /// Names the request in the server's logs.
    pub request_id: Option<String>,
    /// Names the logical operation.
    pub trace_id: Option<String>,
    /// When to try again.
    pub retry_after_ms: Option<u64>,
    /// Machine-readable context.
    pub details: Option<JsonMap>,
}

impl ErrorReport {
    /// Every kind; each language has a class for each.
    pub const KINDS: &'static [&'static str] = &[
        "Protocol",
        "BudgetExceeded",
        "OverdraftLimitExceeded",
        "DebtOutstanding",
        "TenantClosed",
        "ReservationExpired",
        "ReservationFinalized",
        "Transport",
        "Validation",
        "Config",
        "Internal",
    ];

    /// One sample of each kind, for the vector test that every binding runs.
    #[must_use]
    pub fn samples() -> Vec<Self> {
        let refused = |code| Refusal::new(code, "sample").in_request("req-1", "trace-1");
        [
            refused(ErrorCode::Forbidden),
            refused(ErrorCode::BudgetExceeded).detail("scope", "tenant:acme"),
            refused(ErrorCode::OverdraftLimitExceeded),
            refused(ErrorCode::DebtOutstanding),
            refused(ErrorCode::TenantClosed),
            refused(ErrorCode::ReservationExpired),
            refused(ErrorCode::ReservationFinalized),
            Refusal::unreachable("sample"),
            Refusal::invalid("sample"),
            Refusal::config("sample"),
            Refusal::internal("sample"),
        ]
        .iter()
        .map(Self::from)
        .collect()
    }

    /// A defect of ours, as a report.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::from(&Refusal::internal(message))
    }

    /// What a panic of ours said, as a report.
    #[must_use]
    pub fn panicked(panic: &(dyn std::any::Any + Send)) -> Self {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("the native core panicked");
        Self::internal(message)
    }
}

impl From<&Refusal> for ErrorReport {
    fn from(error: &Refusal) -> Self {
        let kind = match (error.kind(), error.code()) {
            (ErrorKind::Unreachable | ErrorKind::OutcomeUnknown, _) => "Transport",
            (ErrorKind::Invalid, _) => "Validation",
            (ErrorKind::Config, _) => "Config",
            (ErrorKind::Internal, _) => "Internal",
            (_, ErrorCode::BudgetExceeded) => "BudgetExceeded",
            (_, ErrorCode::OverdraftLimitExceeded) => "OverdraftLimitExceeded",
            (_, ErrorCode::DebtOutstanding) => "DebtOutstanding",
            (_, ErrorCode::TenantClosed) => "TenantClosed",
            (_, ErrorCode::ReservationExpired) => "ReservationExpired",
            (_, ErrorCode::ReservationFinalized) => "ReservationFinalized",
            _ => "Protocol",
        };
        let refused = error.kind() == ErrorKind::Refused;
        Self {
            kind,
            code: refused.then(|| error.code().as_str()),
            // A denial that came as an answer is reported like the refusal it stands for.
            status: error.status().or_else(|| refused.then(|| error.code().status())),
            message: error.message().to_owned(),
            reason_code: error
                .details()
                .and_then(|details| details.get("reason_code")?.as_str().map(str::to_owned)),
            request_id: error.request_id().map(str::to_owned),
            trace_id: error.trace_id().map(str::to_owned),
            retry_after_ms: hint(error)
                .map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
            details: error.details().cloned(),
        }
    }
}

impl From<&LeaseLost> for ErrorReport {
    fn from(loss: &LeaseLost) -> Self {
        Refusal::new(ErrorCode::ReservationExpired, loss.to_string())
            .detail("reservation_id", loss.reservation_id.as_str())
            .into()
    }
}

impl From<Refusal> for ErrorReport {
    fn from(error: Refusal) -> Self {
        Self::from(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_walk_all_kinds() {
        let kinds: Vec<_> = ErrorReport::samples().iter().map(|report| report.kind).collect();
        assert_eq!(kinds, ErrorReport::KINDS);
    }
}
