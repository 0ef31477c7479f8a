//! Holds every answer of a test server against the OpenAPI contract, over HTTP
//! and in process, where the feature `contract` is on (`docs/adr/0004`).

use std::sync::Arc;

use cycles_protocol::authority::Answered;
use cycles_protocol::{
    Answer, Authority, BoxFuture, Call, Error, ErrorCode, Operation, RawRequest, RawResponse,
    ReservationId, dispatch,
};
use cycles_server::{AnswerCheck, ServerConfig};
use http::{HeaderMap, Method, StatusCode};
use parking_lot::Mutex;
use serde::Serialize;

use crate::wrapper::wraps;
use crate::{TestServerError, fault};

/// What a test server's answers came to. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conformance(Arc<Mutex<Verdict>>);

#[derive(Debug, Default)]
struct Verdict {
    /// The first violation. Nothing is answered after it: a caller that repeats
    /// or forgives a failed call must not hide it.
    violation: Option<String>,
    /// Whether the test was told other than by a failed call.
    told: bool,
}

impl Conformance {
    /// The same server, every answer of which is checked.
    pub(crate) fn of_server(&self, config: ServerConfig) -> ServerConfig {
        if checking() { config.check(Arc::new(self.clone())) } else { config }
    }

    /// The same authority, every answer of which is checked.
    pub(crate) fn of_authority(&self, inner: Arc<dyn Authority>) -> Arc<dyn Authority> {
        if checking() { Arc::new(Conforming { inner, conformance: self.clone() }) } else { inner }
    }

    /// # Errors
    /// The first violation, if there was one.
    pub(crate) fn result(&self) -> Result<(), TestServerError> {
        let mut verdict = self.0.lock();
        verdict.told = true;
        verdict.violation.clone().map_or(Ok(()), |violation| Err(TestServerError(violation)))
    }

    /// Panics over a violation that the test was not told of.
    pub(crate) fn end(&self) {
        let untold = |verdict: &Verdict| verdict.violation.clone().filter(|_| !verdict.told);
        if let Some(violation) = untold(&self.0.lock())
            && !std::thread::panicking()
        {
            panic!("{violation}");
        }
    }

    /// Keeps the first violation and answers it from then on.
    fn judge(&self, check: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
        let mut verdict = self.0.lock();
        if verdict.violation.is_none() {
            verdict.violation = check().err();
        }
        verdict.violation.clone().map_or(Ok(()), Err)
    }

    fn judge_in_process(
        &self,
        operation: Operation,
        status: u16,
        body: &[u8],
    ) -> Result<(), Error> {
        let method = if operation.has_body() { Method::POST } else { Method::GET };
        // The contract has one schema for all reservations.
        let path = operation.path(Some(&ReservationId::new("any")));
        self.judge(|| check_body(&method, &path, status, body))
            .map_err(|violation| Error::new(ErrorCode::InternalError, violation))
    }
}

/// Benchmarks leave the check out: it would be most of what they measure.
fn checking() -> bool {
    cfg!(feature = "contract") && std::env::var_os("CYCLES_CONTRACT").is_none_or(|set| set != "off")
}

impl AnswerCheck for Conformance {
    fn check(
        &self,
        method: &Method,
        path: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), String> {
        if headers.contains_key(fault::INJECTED) {
            return Ok(());
        }
        self.judge(|| check(method, path, status, headers, body))
    }
}

#[cfg(feature = "contract")]
fn check(
    method: &Method,
    path: &str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), String> {
    let exchange = cycles_conformance::Exchange { method, path, status, headers, body };
    let contract = cycles_conformance::Contract::shared();
    contract.check(&exchange).map_err(|violation| violation.to_string())
}

#[cfg(feature = "contract")]
fn check_body(method: &Method, path: &str, status: u16, body: &[u8]) -> Result<(), String> {
    let status = StatusCode::from_u16(status).map_err(|error| error.to_string())?;
    let headers = &HeaderMap::new();
    let exchange = cycles_conformance::Exchange { method, path, status, headers, body };
    let contract = cycles_conformance::Contract::shared();
    contract.check_body(&exchange).map_err(|violation| violation.to_string())
}

#[cfg(not(feature = "contract"))]
fn check(_: &Method, _: &str, _: StatusCode, _: &HeaderMap, _: &[u8]) -> Result<(), String> {
    Ok(())
}

#[cfg(not(feature = "contract"))]
fn check_body(_: &Method, _: &str, _: u16, _: &[u8]) -> Result<(), String> {
    Ok(())
}

/// An authority in process whose answers are checked in wire form.
#[derive(Debug)]
struct Conforming {
    inner: Arc<dyn Authority>,
    conformance: Conformance,
}

impl Conforming {
    async fn answered<T: Serialize>(
        &self,
        call: &Call,
        operation: Operation,
        answer: Answered<'_, T>,
    ) -> Result<Answer<T>, Error> {
        let answer = answer.await;
        let (status, body) = match &answer {
            Ok(answer) => (success(operation), serde_json::to_vec(&answer.value)),
            Err(error) => {
                let refusal = dispatch::refuse(call, error);
                (refusal.status, Ok(refusal.body))
            }
        };
        let body = body.map_err(|error| Error::new(ErrorCode::InternalError, error.to_string()))?;
        self.conformance.judge_in_process(operation, status, &body)?;
        answer
    }

    async fn answered_raw(&self, call: &Call, request: RawRequest) -> Result<RawResponse, Error> {
        let operation = request.operation;
        let answer = self.inner.send(call, request).await?;
        self.conformance.judge_in_process(operation, answer.status, &answer.body)?;
        Ok(answer)
    }
}

const fn success(operation: Operation) -> u16 {
    if matches!(operation, Operation::CreateEvent) { 201 } else { 200 }
}

wraps!(Conforming {
    fn send<'a>(
        &'a self,
        call: &'a Call,
        request: RawRequest,
    ) -> BoxFuture<'a, Result<RawResponse, Error>> {
        Box::pin(self.answered_raw(call, request))
    }
});

#[cfg(all(test, feature = "contract"))]
mod tests {
    use super::*;

    const GOOD: &[u8] = br#"{"balances": []}"#;

    fn answer(conformance: &Conformance, body: &[u8]) -> Result<(), String> {
        let headers = [
            ("x-request-id", "r"),
            ("x-cycles-trace-id", "0af7651916cd43dd8448eb211c80319c"),
            ("content-type", "application/json"),
        ];
        let headers = headers.map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
        });
        let headers = headers.into_iter().collect();
        conformance.check(&Method::GET, "/v1/balances", StatusCode::OK, &headers, body)
    }

    #[test]
    fn after_a_violation_nothing_else_is_answered() {
        let conformance = Conformance::default();
        assert_eq!(answer(&conformance, GOOD), Ok(()));
        let violation = answer(&conformance, b"{}").expect_err("balances are missing");
        assert!(violation.starts_with("contract violation: "), "{violation}");
        assert_eq!(answer(&conformance, GOOD), Err(violation.clone()));
        assert_eq!(conformance.result().expect_err("it is told").0, violation);
        conformance.end();
    }

    #[test]
    #[should_panic(expected = "contract violation: ")]
    fn a_violation_that_nobody_was_told_of_panics() {
        let conformance = Conformance::default();
        let _ = answer(&conformance, b"{}");
        conformance.end();
    }

    #[tokio::test]
    async fn an_answer_in_process_is_checked() {
        let conformance = Conformance::default();
        let body = br#"{"status": "COMMITTED"}"#;
        let judge = |status| conformance.judge_in_process(Operation::Commit, status, body);
        let error = judge(200).expect_err("charged is missing");
        assert!(error.message().contains("\"charged\" is a required property"), "{error}");
    }
}
