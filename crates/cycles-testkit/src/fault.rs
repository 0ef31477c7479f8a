//! What a test can have go wrong between a client and its authority.

use std::time::Duration;

use cycles_protocol::{Call, Error, ErrorCode, ErrorResponse, Operation, RawResponse, dispatch};

use crate::server::TestServerError;

/// What proxies and captive portals answer in an authority's place.
const MALFORMED_BODY: &str = "<html><body>This is not an answer.</body></html>";

/// One thing that goes wrong with one operation.
///
/// ```
/// use cycles_protocol::Operation;
/// use cycles_testkit::{Effect, Fault};
///
/// let lost_twice = Fault::new(Operation::Commit, Effect::DropAfter).times(2);
/// let second_is_throttled = Fault::new(Operation::Extend, Effect::status(429)).skip(1);
/// # let _ = (lost_twice, second_is_throttled);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Whose calls it hits.
    pub operation: Operation,
    /// What happens to them.
    pub effect: Effect,
    /// How many calls it hits.
    pub times: u32,
    /// How many calls pass unharmed before it.
    pub skip: u32,
}

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// The connection closes without an answer; the command was not applied.
    DropBefore,
    /// The connection closes without an answer; the command was applied.
    DropAfter,
    /// The call is held for so long by the server's clock, then applied.
    Delay(Duration),
    /// The authority refuses; the command was not applied.
    Status {
        /// 400 to 599.
        status: u16,
        /// The error code; the one that goes with the status unless given.
        code: Option<ErrorCode>,
        /// `Retry-After`, in whole seconds, rounded up.
        retry_after: Option<Duration>,
    },
    /// The command was applied, and this text stands in its answer's place.
    Malformed {
        /// The text.
        body: String,
    },
}

impl Fault {
    /// The next call of `operation` meets `effect`.
    #[must_use]
    pub const fn new(operation: Operation, effect: Effect) -> Self {
        Self { operation, effect, times: 1, skip: 0 }
    }

    /// Hits so many calls.
    #[must_use]
    pub const fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Lets so many calls pass before it.
    #[must_use]
    pub const fn skip(mut self, calls: u32) -> Self {
        self.skip = calls;
        self
    }

    /// Refuses a fault that could never do what it says.
    pub(crate) fn check(&self) -> Result<(), TestServerError> {
        if self.times == 0 {
            return Err(TestServerError("a fault must hit at least one call times=0".to_owned()));
        }
        let Effect::Status { status, code, .. } = self.effect else { return Ok(()) };
        if !(400..=599).contains(&status) {
            return Err(TestServerError(format!(
                "status of a refusal must be 400 to 599 status={status}"
            )));
        }
        if code == Some(ErrorCode::Unknown) {
            return Err(TestServerError("code must be one that the spec names".to_owned()));
        }
        if code.is_none() && status == 409 {
            return Err(TestServerError(
                "many codes go with this status; name one, like BUDGET_EXCEEDED status=409"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

impl Effect {
    /// A refusal with the code that goes with `status`.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self::Status { status, code: None, retry_after: None }
    }

    /// A page of HTML in the place of the answer.
    #[must_use]
    pub fn malformed() -> Self {
        Self::Malformed { body: MALFORMED_BODY.to_owned() }
    }
}

/// The refusal as the authority itself would write it.
pub(crate) fn refusal(
    call: &Call,
    status: u16,
    code: Option<ErrorCode>,
    retry_after: Option<Duration>,
) -> RawResponse {
    let body = ErrorResponse {
        error: code.unwrap_or_else(|| usual_code(status)),
        message: format!("a fault of the test server refuses status={status}"),
        request_id: String::new(), // set when it is written
        trace_id: None,
        details: None,
        cycles_evidence: None,
    };
    injected(dispatch::refuse(call, &Error::from_response(status, body, retry_after)))
}

/// The header of an answer that a fault made up. Whoever looks at the wire sees
/// that it is one, and it is not held against the contract.
pub(crate) const INJECTED: &str = "x-cycles-fault";

/// The answer, marked as one that a fault made up.
pub(crate) fn injected(mut answer: RawResponse) -> RawResponse {
    answer.headers.push((INJECTED.to_owned(), "injected".to_owned()));
    answer
}

fn usual_code(status: u16) -> ErrorCode {
    match status {
        401 => ErrorCode::Unauthorized,
        403 => ErrorCode::Forbidden,
        404 => ErrorCode::NotFound,
        410 => ErrorCode::ReservationExpired,
        429 => ErrorCode::LimitExceeded,
        500.. => ErrorCode::InternalError,
        _ => ErrorCode::InvalidRequest,
    }
}
