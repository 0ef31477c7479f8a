//! [`Violation`]: where an answer breaks the contract.

use std::fmt;

/// An answer that the contract does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The `operationId`; method and path where the contract has no such operation.
    pub operation: String,
    /// The answer's status.
    pub status: u16,
    /// A JSON pointer into the body, or the name of a header; empty for the answer as a whole.
    pub at: String,
    /// What the contract says instead.
    pub expected: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, status, at, expected } = self;
        write!(
            f,
            "contract violation: {expected} operation={operation:?} status={status} at={at:?}"
        )
    }
}

impl std::error::Error for Violation {}
