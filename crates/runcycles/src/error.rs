//! What users see when a call does not succeed.

mod report;
mod transport;

use std::time::Duration;

use cycles_protocol::{Error as Refusal, ErrorCode, ErrorKind, JsonMap};

use crate::lease::LeaseLost;
use crate::lifecycle::GuardedError;

pub use report::ErrorReport;
pub use transport::TransportError;

/// Why a call of this crate did not succeed.
///
/// The fields are those of `runcycles` 0.3, which callers match and build; a
/// trace id, which has none of its own, ends the message ([`trace_id`](Self::trace_id)).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No answer came. Repeat with the same idempotency key.
    #[error("HTTP transport error: {0}")]
    Transport(#[source] TransportError),

    /// The authority refused, or something else did in its place (then without
    /// a code).
    #[error("API error (HTTP {status}): {message}")]
    Api {
        /// HTTP status.
        status: u16,
        /// Why; `None` when the answer was not the spec's error body.
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

    /// The budget does not cover the estimate (HTTP 409 `BUDGET_EXCEEDED`), or
    /// the decision was `DENY`.
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
        /// The HTTP status of the refusal; `None` for a `DENY`, which is an answer.
        status: Option<u16>,
    },

    /// The lease had run out before the commit, the direct debit in its place
    /// was refused too, and no journal keeps it: the spend is **not** booked.
    #[error(
        "commit of {reservation_id} came after its lease and the event in its place failed; the spend is not booked commit={commit_error} event={event_error}"
    )]
    CommitRecoveryFailed {
        /// Which reservation.
        reservation_id: String,
        /// What the commit was answered.
        commit_error: Box<Error>,
        /// What the event was answered.
        event_error: Box<Error>,
    },

    /// The commit's outcome is not known yet. It is repeated with the same key,
    /// after a restart too; do not book the spend under another one.
    #[error("commit of {reservation_id} is pending: {last_error}")]
    CommitPending {
        /// Which reservation.
        reservation_id: String,
        /// What the last attempt said.
        last_error: Box<Error>,
    },

    /// A success could not be read as what the spec demands, so the outcome is
    /// not known. Repeat with the same idempotency key.
    #[error("deserialization error: {0}")]
    Deserialization(#[source] serde_json::Error),

    /// The client is set up wrongly; the message names the setting.
    #[error("configuration error: {0}")]
    Config(String),

    /// The caller's input was refused before anything was sent.
    #[error("validation error: {0}")]
    Validation(String),

    /// The lease ended before its work did, and the
    /// [`HeartbeatPolicy`](crate::HeartbeatPolicy) makes that an error. A commit
    /// that answers this is booked; work that was cancelled is not.
    #[error(transparent)]
    LeaseLost(LeaseLost),

    /// The guarded function's own error, untouched.
    #[error(transparent)]
    Guarded(GuardedError),

    /// A defect of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

/// Ends a message with the trace it belongs to.
const TRACE: &str = " trace_id=";

impl Error {
    /// Whether repeating the request with the same key may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transport(_) => true,
            Self::Api { status, code, .. } => {
                *status >= 500 || *status == 429 || code.is_some_and(ErrorCode::is_retryable)
            }
            // A denial says when budget may be back; only throttling asks to repeat.
            Self::BudgetExceeded { status, retry_after, .. } => {
                *status == Some(429) && retry_after.is_some()
            }
            _ => false,
        }
    }

    /// Whether the request may have been applied although no valid answer came.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_outcome_unknown(),
            Self::Api { code, .. } => code.is_none(),
            Self::Deserialization(_) | Self::CommitPending { .. } => true,
            _ => false,
        }
    }

    /// Whether the key is missing, wrong, or may not do this.
    #[must_use]
    pub fn is_auth_error(&self) -> bool {
        matches!(self.status(), Some(401 | 403))
            || matches!(self.error_code(), Some(ErrorCode::Unauthorized | ErrorCode::Forbidden))
    }

    /// Whether the budget did not cover the estimate.
    #[must_use]
    pub fn is_budget_exceeded(&self) -> bool {
        self.is(ErrorCode::BudgetExceeded)
    }

    /// Whether there is debt beyond the overdraft limit.
    #[must_use]
    pub fn is_overdraft_limit_exceeded(&self) -> bool {
        self.is(ErrorCode::OverdraftLimitExceeded)
    }

    /// Whether debt must be repaid first.
    #[must_use]
    pub fn is_debt_outstanding(&self) -> bool {
        self.is(ErrorCode::DebtOutstanding)
    }

    /// Whether the tenant is closed for good.
    #[must_use]
    pub fn is_tenant_closed(&self) -> bool {
        self.is(ErrorCode::TenantClosed)
    }

    /// Whether the lease ran out.
    #[must_use]
    pub fn is_reservation_expired(&self) -> bool {
        self.is(ErrorCode::ReservationExpired)
    }

    /// Whether the reservation was committed or released before.
    #[must_use]
    pub fn is_reservation_finalized(&self) -> bool {
        self.is(ErrorCode::ReservationFinalized)
    }

    /// Whether the idempotency key was used for another request.
    #[must_use]
    pub fn is_idempotency_mismatch(&self) -> bool {
        self.is(ErrorCode::IdempotencyMismatch)
    }

    /// Whether the budget counts in another unit.
    #[must_use]
    pub fn is_unit_mismatch(&self) -> bool {
        self.is(ErrorCode::UnitMismatch)
    }

    fn is(&self, code: ErrorCode) -> bool {
        self.error_code() == Some(code)
    }

    /// The HTTP status, where the authority answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. } => Some(*status),
            Self::BudgetExceeded { status, .. } => *status,
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
            Self::CommitRecoveryFailed { event_error: error, .. }
            | Self::CommitPending { last_error: error, .. } => error.retry_after(),
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
            Self::CommitRecoveryFailed { event_error: error, .. }
            | Self::CommitPending { last_error: error, .. } => error.request_id(),
            _ => None,
        }
    }

    /// Names the logical operation, in the authority's events and logs too.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        match self {
            Self::Transport(error) => error.trace_id.as_deref(),
            Self::Api { message, .. } | Self::BudgetExceeded { message, .. } => {
                message.rsplit_once(TRACE).map(|(_, trace_id)| trace_id)
            }
            Self::CommitRecoveryFailed { event_error: error, .. }
            | Self::CommitPending { last_error: error, .. } => error.trace_id(),
            _ => None,
        }
    }
}

impl From<Refusal> for Error {
    fn from(error: Refusal) -> Self {
        match error.kind() {
            ErrorKind::Unreachable | ErrorKind::OutcomeUnknown => unanswered(&error),
            ErrorKind::Invalid => Self::Validation(error.message().to_owned()),
            ErrorKind::Config => Self::Config(error.message().to_owned()),
            ErrorKind::Refused => refused(&error),
            _ => Self::Internal(error.message().to_owned()),
        }
    }
}

/// What 0.3 calls it: nothing came, a success that cannot be read, or another
/// status without the spec's error body.
fn unanswered(error: &Refusal) -> Error {
    match error.status() {
        None => Error::Transport(TransportError::new(error)),
        Some(200..=299) => {
            Error::Deserialization(<serde_json::Error as serde::de::Error>::custom(traced(error)))
        }
        Some(status) => Error::Api {
            status,
            code: None,
            message: traced(error),
            request_id: error.request_id().map(str::to_owned),
            retry_after: hint(error),
            details: None,
        },
    }
}

fn refused(error: &Refusal) -> Error {
    let (message, retry_after) = (traced(error), hint(error));
    let request_id = error.request_id().map(str::to_owned);
    let is_denied = error.status().is_none();
    if is_denied || error.code() == ErrorCode::BudgetExceeded {
        let (affected_scopes, status) = (scopes(error.details()), error.status());
        return Error::BudgetExceeded { message, affected_scopes, retry_after, request_id, status };
    }
    Error::Api {
        status: error.status().unwrap_or(error.code().status()),
        code: Some(error.code()),
        message,
        request_id,
        retry_after,
        details: error.details().map(|details| details.clone().into()),
    }
}

fn traced(error: &Refusal) -> String {
    match error.trace_id() {
        Some(trace_id) => format!("{}{TRACE}{trace_id}", error.message()),
        None => error.message().to_owned(),
    }
}

/// When trying again may help: the header, else what a live denial says of when
/// budget comes back.
fn hint(error: &Refusal) -> Option<Duration> {
    let told = || error.details()?.get("retry_after_ms")?.as_u64().map(Duration::from_millis);
    error.retry_after().or_else(told)
}

/// The one that lacks budget, else all that were asked.
fn scopes(details: Option<&JsonMap>) -> Vec<String> {
    let Some(details) = details else { return Vec::new() };
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let all = || details.get("affected_scopes")?.as_array()?.iter().map(text).collect();
    details.get("scope").and_then(text).map(|scope| vec![scope]).or_else(all).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn every_error_from_the_authority_names_its_trace() {
        for refusal in [
            Refusal::new(ErrorCode::BudgetExceeded, "m"),
            Refusal::new(ErrorCode::NotFound, "m"),
            Refusal::outcome_unknown(Some(502), "m"),
            Refusal::timed_out("m"),
            Refusal::unreachable("m"),
        ] {
            let error = Error::from(refusal.in_trace("4bf92f3577b34da6a3ce929d0e0e4736"));
            assert_eq!(error.trace_id(), Some("4bf92f3577b34da6a3ce929d0e0e4736"), "{error:?}");
            let pending =
                Error::CommitPending { reservation_id: "r".into(), last_error: Box::new(error) };
            assert_eq!(pending.trace_id(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        }
        assert_eq!(Error::from(Refusal::new(ErrorCode::NotFound, "m")).trace_id(), None);
    }

    #[test]
    fn what_is_no_answer_has_the_shape_of_0_3() {
        let shape = |status| Error::from(Refusal::outcome_unknown(status, "m"));
        assert!(matches!(shape(None), Error::Transport(_)));
        assert!(matches!(shape(Some(200)), Error::Deserialization(_)));
        assert!(matches!(shape(Some(502)), Error::Api { status: 502, code: None, .. }));
        assert!(shape(None).is_outcome_unknown() && shape(Some(200)).is_outcome_unknown());
        assert!(shape(Some(502)).is_outcome_unknown() && shape(Some(502)).is_retryable());
    }

    #[test]
    fn any_deny_is_budget_exceeded_without_a_status() {
        let denied = Refusal::denied(ErrorCode::BudgetFrozen, "m")
            .detail("affected_scopes", vec!["tenant:acme".to_owned()]);
        let error = Error::from(denied);
        assert!(error.is_budget_exceeded() && !error.is_retryable());
        let Error::BudgetExceeded { status: None, affected_scopes, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(affected_scopes, ["tenant:acme"]);
    }
}
