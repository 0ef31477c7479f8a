//! Every answer of these tests is held against the OpenAPI contract.

use axum::http::{HeaderMap, Method, StatusCode};
use cycles_conformance::{Contract, Exchange};
use cycles_server::AnswerCheck;

/// Refuses answers that the contract does not allow.
#[derive(Debug)]
pub(crate) struct Conforming;

impl AnswerCheck for Conforming {
    fn check(
        &self,
        method: &Method,
        path: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), String> {
        Contract::shared()
            .check(&Exchange { method, path, status, headers, body })
            .map_err(|violation| violation.to_string())
    }
}
