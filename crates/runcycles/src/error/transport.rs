//! When nothing valid answered.

use std::time::Duration;

use cycles_protocol::{Error as Refusal, ErrorKind};

use crate::circuit;

/// No answer came.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    message: String,
    outcome_unknown: bool,
    is_timeout: bool,
    circuit_open: bool,
    pub(super) retry_after: Option<Duration>,
    pub(super) trace_id: Option<String>,
}

impl TransportError {
    pub(super) fn new(error: &Refusal) -> Self {
        Self {
            message: error.message().to_owned(),
            outcome_unknown: error.kind() == ErrorKind::OutcomeUnknown,
            is_timeout: error.is_timeout(),
            circuit_open: circuit::is_open(error),
            retry_after: error.retry_after(),
            trace_id: error.trace_id().map(str::to_owned),
        }
    }

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

    /// Whether no answer came in time.
    #[must_use]
    pub const fn is_timeout(&self) -> bool {
        self.is_timeout
    }
}
