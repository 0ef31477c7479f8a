//! Whether a store keeps what it is given.

use std::time::Duration;

use cycles_protocol::{Error, ErrorCode, ErrorResponse};

use crate::limits;

/// Whether a store keeps what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Health {
    /// It does.
    #[default]
    Keeping,
    /// It failed, and memory may be ahead of it: nothing can be answered.
    Failed,
    /// It failed, and memory was made anew from what is on disk: reads are
    /// answered, nothing changes until it can keep something again.
    ReadOnly,
}

/// How a store is, and since which failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Whether it keeps what it is given.
    pub health: Health,
    /// Rises with every failure, and when it can keep something again: memory of
    /// before may be ahead of it.
    pub generation: u64,
}

/// The answer while a store cannot do its part: 503, to be repeated with the
/// same key. No code of the spec goes with that status.
#[must_use]
pub fn unavailable(message: impl Into<String>) -> Error {
    let body = ErrorResponse {
        error: ErrorCode::InternalError,
        message: message.into(),
        request_id: String::new(), // set when it is written
        trace_id: None,
        details: None,
        cycles_evidence: None,
    };
    let wait = Duration::from_secs(limits::RETRY_AFTER_SECONDS);
    Error::from_response(503, body, Some(wait))
}
