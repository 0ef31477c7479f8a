//! What users see when a call does not succeed.

use std::time::Duration;

use cycles_protocol::{Error as Refusal, ErrorCode, ErrorKind, JsonMap, ReservationId};
use serde::Serialize;

use crate::circuit;
use crate::lifecycle::GuardedError;

/// Why a call of this crate did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No valid answer came. Repeat with the same idempotency key.
    #[error("HTTP transport error: {0}")]
    Transport(#[source] TransportError),

    /// The authority refused.
    #[error("API error (HTTP {status}): {message}")]
    Api {
        /// HTTP status.
        status: u16,
        /// Why.
        code: Option<ErrorCode>,
        /// For people.
        message: String,
        /// Names the request in the server's logs.
        request_id: Option<String>,
        /// When to try again.
        retry_after: Option<Duration>,
        /// Machine-readable context.
        details: Option<serde_json::Value>,
    },

    /// The budget does not cover the estimate (HTTP 409 `BUDGET_EXCEEDED`).
    #[error("budget exceeded: {message}")]
    BudgetExceeded {
        /// For people.
        message: String,
        /// The scopes that lack budget, where the authority named them.
        affected_scopes: Vec<String>,
        /// When to try again.
        retry_after: Option<Duration>,
        /// Names the request in the server's logs.
        request_id: Option<String>,
    },

    /// An answer could not be read.
    #[error("deserialization error: {0}")]
    Deserialization(#[source] serde_json::Error),

    /// The client is set up wrongly; the message names the setting.
    #[error("configuration error: {0}")]
    Config(String),

    /// The caller's input was refused before anything was sent.
    #[error("validation error: {0}")]
    Validation(String),

    /// The commit's outcome is not known yet; it is repeated in the background
    /// with the same key.
    #[error("commit of {reservation_id} is pending: {message}")]
    CommitPending {
        /// Which reservation.
        reservation_id: ReservationId,
        /// What the last attempt said.
        message: String,
    },

    /// The guarded function's own error, untouched.
    #[error(transparent)]
    Guarded(GuardedError),

    /// A defect of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

/// No valid answer came.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    message: String,
    outcome_unknown: bool,
    circuit_open: bool,
    status: Option<u16>,
    retry_after: Option<Duration>,
}

impl TransportError {
    /// Whether the request may have been applied all the same.
    #[must_use]
    pub const fn is_outcome_unknown(&self) -> bool {
        self.outcome_unknown
    }

    /// Whether the authority could not be connected to.
    #[must_use]
    pub const fn is_connect(&self) -> bool {
        !self.outcome_unknown && !self.circuit_open
    }

    /// Whether the call was not made, because the authority has kept failing; the
    /// message says since when, and when it is tried again.
    #[must_use]
    pub const fn is_circuit_open(&self) -> bool {
        self.circuit_open
    }

    /// The status of an answer that was not what the spec demands.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        self.status
    }
}

impl Error {
    /// Whether repeating the request with the same key may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transport(_) | Self::CommitPending { .. } => true,
            Self::Api { status, code, .. } => {
                *status >= 500
                    || *status == 429
                    || matches!(
                        code,
                        Some(
                            ErrorCode::InternalError
                                | ErrorCode::LimitExceeded
                                | ErrorCode::Unknown
                        )
                    )
            }
            _ => false,
        }
    }

    /// Whether the key is missing, wrong, or may not do this.
    #[must_use]
    pub fn is_auth_error(&self) -> bool {
        matches!(self.status(), Some(401 | 403))
    }

    /// Whether the budget did not cover the estimate.
    #[must_use]
    pub fn is_budget_exceeded(&self) -> bool {
        self.error_code() == Some(ErrorCode::BudgetExceeded)
    }

    /// Whether the tenant is closed for good.
    #[must_use]
    pub fn is_tenant_closed(&self) -> bool {
        self.error_code() == Some(ErrorCode::TenantClosed)
    }

    /// The HTTP status, where the authority answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. } => Some(*status),
            Self::BudgetExceeded { .. } => Some(409),
            Self::Transport(error) => error.status,
            _ => None,
        }
    }

    /// Why the authority refused.
    #[must_use]
    pub fn error_code(&self) -> Option<ErrorCode> {
        match self {
            Self::Api { code, .. } => *code,
            Self::BudgetExceeded { .. } => Some(ErrorCode::BudgetExceeded),
            _ => None,
        }
    }

    /// When to try again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Api { retry_after, .. } | Self::BudgetExceeded { retry_after, .. } => {
                *retry_after
            }
            Self::Transport(error) => error.retry_after,
            _ => None,
        }
    }

    /// Names the request in the server's logs.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::Api { request_id, .. } | Self::BudgetExceeded { request_id, .. } => {
                request_id.as_deref()
            }
            _ => None,
        }
    }
}

impl From<Refusal> for Error {
    fn from(error: Refusal) -> Self {
        let message = error.message().to_owned();
        let request_id = error.request_id().map(str::to_owned);
        let retry_after = hint(&error);
        match (error.kind(), error.code()) {
            (ErrorKind::Unreachable | ErrorKind::OutcomeUnknown, _) => {
                Self::Transport(TransportError {
                    message,
                    outcome_unknown: error.kind() == ErrorKind::OutcomeUnknown,
                    circuit_open: circuit::is_open(&error),
                    retry_after,
                    status: error.status(),
                })
            }
            (ErrorKind::Invalid, _) => Self::Validation(message),
            (ErrorKind::Config, _) => Self::Config(message),
            (ErrorKind::Internal, _) => Self::Internal(message),
            (_, ErrorCode::BudgetExceeded) => Self::BudgetExceeded {
                message,
                affected_scopes: scopes(error.details()),
                retry_after,
                request_id,
            },
            (_, code) => Self::Api {
                status: error.status().unwrap_or(code.status()),
                code: Some(code),
                message,
                request_id,
                retry_after,
                details: error.details().map(|details| details.clone().into()),
            },
        }
    }
}

/// When trying again may help: the header, else what a live denial says of when
/// budget comes back.
fn hint(error: &Refusal) -> Option<Duration> {
    let told = || error.details()?.get("retry_after_ms")?.as_u64().map(Duration::from_millis);
    error.retry_after().or_else(told)
}

fn scopes(details: Option<&JsonMap>) -> Vec<String> {
    details
        .and_then(|details| details.get("scope")?.as_str())
        .map(str::to_owned)
        .into_iter()
        .collect()
}

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
            status: error.status(),
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

    #[test]
    fn a_denial_says_when_budget_comes_back() {
        let refusal = Refusal::new(ErrorCode::BudgetExceeded, "m").detail("retry_after_ms", 1_500);
        assert_eq!(ErrorReport::from(&refusal).retry_after_ms, Some(1_500));
        assert_eq!(Error::from(refusal).retry_after(), Some(Duration::from_millis(1_500)));
    }

    #[test]
    fn overdraft_and_debt_are_not_folded_into_budget_exceeded() {
        for code in [ErrorCode::OverdraftLimitExceeded, ErrorCode::DebtOutstanding] {
            let error = Error::from(Refusal::new(code, "m").detail("scope", "s"));
            assert_eq!(error.error_code(), Some(code));
            assert!(matches!(error, Error::Api { details: Some(_), .. }));
        }
    }
}
