//! One error for every way a call can end other than well.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::JsonMap;
use crate::wire::wire_enum;

wire_enum! {
    /// Why the authority refused (spec: `ErrorCode`; the last five are the
    /// governance plane's).
    ErrorCode {
        /// 400: the request is not well formed.
        InvalidRequest = "INVALID_REQUEST",
        /// 401: the key is missing or wrong.
        Unauthorized = "UNAUTHORIZED",
        /// 403: the key may not do this, or not here.
        Forbidden = "FORBIDDEN",
        /// 404: no such reservation, or no budget at any derived scope.
        NotFound = "NOT_FOUND",
        /// 409: the budget does not cover the amount.
        BudgetExceeded = "BUDGET_EXCEEDED",
        /// 409: an operator froze the budget.
        BudgetFrozen = "BUDGET_FROZEN",
        /// 409: the budget is closed for good.
        BudgetClosed = "BUDGET_CLOSED",
        /// 410: the lease ran out.
        ReservationExpired = "RESERVATION_EXPIRED",
        /// 409: already committed or released.
        ReservationFinalized = "RESERVATION_FINALIZED",
        /// 409: the key was used for another payload.
        IdempotencyMismatch = "IDEMPOTENCY_MISMATCH",
        /// 400: the budget counts in another unit.
        UnitMismatch = "UNIT_MISMATCH",
        /// 409: debt beyond the overdraft limit, or the scope is over its limit.
        OverdraftLimitExceeded = "OVERDRAFT_LIMIT_EXCEEDED",
        /// 409: debt must be repaid first.
        DebtOutstanding = "DEBT_OUTSTANDING",
        /// 409: no more extensions.
        MaxExtensionsExceeded = "MAX_EXTENSIONS_EXCEEDED",
        /// 429: too many requests.
        LimitExceeded = "LIMIT_EXCEEDED",
        /// 409: the tenant is closed for good.
        TenantClosed = "TENANT_CLOSED",
        /// 500: the authority failed.
        InternalError = "INTERNAL_ERROR",
        /// 403, governance plane: the key lacks a permission.
        InsufficientPermissions = "INSUFFICIENT_PERMISSIONS",
        /// 404, governance plane.
        TenantNotFound = "TENANT_NOT_FOUND",
        /// 404, governance plane.
        BudgetNotFound = "BUDGET_NOT_FOUND",
        /// 409, governance plane: it exists with other content.
        DuplicateResource = "DUPLICATE_RESOURCE",
    }
}

impl ErrorCode {
    /// Whether repeating the request with the same key may help.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::InternalError | Self::LimitExceeded | Self::Unknown)
    }

    /// The HTTP status that goes with the code.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest | Self::UnitMismatch => 400,
            Self::Unauthorized => 401,
            Self::Forbidden | Self::InsufficientPermissions => 403,
            Self::NotFound | Self::TenantNotFound | Self::BudgetNotFound => 404,
            Self::ReservationExpired => 410,
            Self::LimitExceeded => 429,
            Self::InternalError | Self::Unknown => 500,
            Self::BudgetExceeded
            | Self::BudgetFrozen
            | Self::BudgetClosed
            | Self::ReservationFinalized
            | Self::IdempotencyMismatch
            | Self::OverdraftLimitExceeded
            | Self::DebtOutstanding
            | Self::MaxExtensionsExceeded
            | Self::TenantClosed
            | Self::DuplicateResource => 409,
        }
    }
}

/// The body of every refusal (spec: `ErrorResponse`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorResponse {
    /// Machine-readable reason.
    pub error: ErrorCode,
    /// For people; says what to do next where there is something to do.
    pub message: String,
    /// Names this request in the server's logs. Required by the spec; a client
    /// does not take a refusal for less because it is missing.
    #[serde(default)]
    pub request_id: String,
    /// Names the logical operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Machine-readable context, for example scope and units.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<JsonMap>,
    /// Signed evidence of the refusal, where the server emits it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cycles_evidence: Option<crate::CyclesEvidenceRef>,
}

/// What a caller can do about an [`Error`]; kinds exist only where that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The authority answered and refused; [`Error::code`] says why.
    Refused,
    /// The request never reached the authority; nothing happened.
    Unreachable,
    /// The request may have been applied: repeat it with the same key.
    OutcomeUnknown,
    /// The caller's own input was refused before anything was sent.
    Invalid,
    /// The client is set up wrongly; nothing was sent.
    Config,
    /// A defect of ours, caught before it could reach the host.
    Internal,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retry {
    /// Repeating cannot help.
    Never,
    /// Repeat with the same idempotency key.
    SameKey,
    /// Repeat with the same key, not before this long from now.
    After(Duration),
}

/// Why a call did not succeed.
///
/// Messages are lower case, carry their variables last as `key=value`, hold no
/// secret and say what to do where there is something to do.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: ErrorKind,
    code: ErrorCode,
    status: Option<u16>,
    message: String,
    request_id: Option<String>,
    trace_id: Option<String>,
    details: Option<JsonMap>,
    retry_after: Option<Duration>,
    is_timeout: bool,
    after: Option<Error>,
}

impl Error {
    /// A refusal by the authority.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::with_kind(ErrorKind::Refused, code, Some(code.status()), message.into())
    }

    /// The request never left.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self::with_kind(ErrorKind::Unreachable, ErrorCode::Unknown, None, message.into())
    }

    /// The request may have been applied. `status` is set where something
    /// answered, but not with what the spec demands.
    pub fn outcome_unknown(status: Option<u16>, message: impl Into<String>) -> Self {
        Self::with_kind(ErrorKind::OutcomeUnknown, ErrorCode::Unknown, status, message.into())
    }

    /// No answer came in time; the request may have been applied.
    pub fn timed_out(message: impl Into<String>) -> Self {
        let mut error = Self::outcome_unknown(None, message);
        error.0.is_timeout = true;
        error
    }

    /// A `DENY` that came as an answer and not as a refusal, which has no status.
    pub fn denied(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::with_kind(ErrorKind::Refused, code, None, message.into())
    }

    /// A refusal as it came over the wire. A reference to evidence of it
    /// (spec: `ErrorResponse.cycles_evidence`) joins the details, under that name.
    #[must_use]
    pub fn from_response(status: u16, body: ErrorResponse, retry_after: Option<Duration>) -> Self {
        let mut error = Self::with_kind(ErrorKind::Refused, body.error, Some(status), body.message);
        error.0.request_id = Some(body.request_id).filter(|id| !id.is_empty());
        error.0.trace_id = body.trace_id;
        error.0.details = body.details;
        error.0.retry_after = retry_after;
        match body.cycles_evidence.map(serde_json::to_value) {
            Some(Ok(evidence)) => error.detail("cycles_evidence", evidence),
            _ => error,
        }
    }

    /// The caller's own input, refused before anything was sent.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::with_kind(ErrorKind::Invalid, ErrorCode::InvalidRequest, None, message.into())
    }

    /// The client is set up wrongly.
    pub fn config(message: impl Into<String>) -> Self {
        Self::with_kind(ErrorKind::Config, ErrorCode::Unknown, None, message.into())
    }

    /// A defect of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::with_kind(ErrorKind::Internal, ErrorCode::InternalError, None, message.into())
    }

    /// The same refusal, found by the client before anything was sent.
    #[must_use]
    pub fn before_sending(mut self) -> Self {
        self.0.kind = ErrorKind::Invalid;
        self.0.status = None;
        self
    }

    fn with_kind(kind: ErrorKind, code: ErrorCode, status: Option<u16>, message: String) -> Self {
        Self(Box::new(Inner {
            kind,
            code,
            status,
            message,
            request_id: None,
            trace_id: None,
            details: None,
            retry_after: None,
            is_timeout: false,
            after: None,
        }))
    }

    /// Adds one entry to `details`.
    #[must_use]
    pub fn detail(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.details.get_or_insert_default().insert(key.to_owned(), value.into());
        self
    }

    /// Names the request and the trace.
    #[must_use]
    pub fn in_request(mut self, request_id: &str, trace_id: &str) -> Self {
        self.0.request_id = Some(request_id.to_owned());
        self.0.trace_id = Some(trace_id.to_owned());
        self
    }

    /// Names the request, where the body did not.
    #[must_use]
    pub fn in_request_of(mut self, request_id: Option<&str>) -> Self {
        self.0.request_id = self.0.request_id.or_else(|| request_id.map(str::to_owned));
        self
    }

    /// Names the trace, where the authority did not.
    #[must_use]
    pub fn in_trace(mut self, trace_id: &str) -> Self {
        self.0.trace_id.get_or_insert_with(|| trace_id.to_owned());
        self
    }

    /// Adds to the message what the caller may do.
    #[must_use]
    pub fn advise(mut self, advice: &str) -> Self {
        self.0.message.push_str(advice);
        self
    }

    /// Says what had failed first, where this was the attempt to make up for it.
    #[must_use]
    pub fn after(mut self, first: Self) -> Self {
        self.0.after = Some(first);
        self
    }

    /// Sets how long to wait before trying again.
    #[must_use]
    pub fn retry_after_hint(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// What happened, as far as the caller acts differently on it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Why the authority refused; `Unknown` when it did not answer.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// The HTTP status; `None` when nothing answered.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// For people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Names the request in the server's logs.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Names the logical operation.
    pub fn trace_id(&self) -> Option<&str> {
        self.0.trace_id.as_deref()
    }

    /// Machine-readable context.
    pub fn details(&self) -> Option<&JsonMap> {
        self.0.details.as_ref()
    }

    /// Whether no answer came in time.
    pub fn is_timeout(&self) -> bool {
        self.0.is_timeout
    }

    /// What had failed first, where this was the attempt to make up for it.
    pub fn first(&self) -> Option<&Self> {
        self.0.after.as_ref()
    }

    /// How long the authority asked to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What to do next.
    #[must_use]
    pub fn retry(&self) -> Retry {
        let transient = match self.0.kind {
            ErrorKind::Unreachable | ErrorKind::OutcomeUnknown => true,
            ErrorKind::Invalid | ErrorKind::Config | ErrorKind::Internal => false,
            ErrorKind::Refused => {
                self.0.code.is_retryable()
                    || self.0.status.is_some_and(|status| status == 429 || status >= 500)
            }
        };
        match (transient, self.0.retry_after) {
            (false, _) => Retry::Never,
            (true, None) => Retry::SameKey,
            (true, Some(wait)) => Retry::After(wait),
        }
    }

    /// The body that a server answers with.
    #[must_use]
    pub fn to_response(&self, request_id: &str, trace_id: &str) -> ErrorResponse {
        ErrorResponse {
            error: self.0.code,
            message: self.0.message.clone(),
            request_id: request_id.to_owned(),
            trace_id: Some(trace_id.to_owned()),
            details: self.0.details.clone(),
            cycles_evidence: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            ErrorKind::Refused => write!(f, "{}: {}", self.0.code, self.0.message),
            _ => f.write_str(&self.0.message),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.after.as_ref().map(|first| first as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_of_a_refusal_is_kept_with_its_details() {
        let body = r#"{"error": "BUDGET_EXCEEDED", "message": "m", "request_id": "r", "details": {"scope": "tenant:a"},
            "cycles_evidence": {"evidence_id": "ab", "cycles_evidence_url": "https://e/ab"}}"#;
        let error = Error::from_response(409, serde_json::from_str(body).unwrap(), None);
        let details = error.details().unwrap();
        assert_eq!(details["scope"], "tenant:a");
        assert_eq!(details["cycles_evidence"]["cycles_evidence_url"], "https://e/ab");
    }
}
