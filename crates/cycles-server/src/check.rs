//! [`AnswerCheck`]: a last look at every answer, for tests.

use std::fmt::Debug;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use axum::response::Response;
use cycles_protocol::{Error, ErrorCode, headers};
use http_body_util::BodyExt;

/// Looks at every answer before it leaves.
pub trait AnswerCheck: Debug + Send + Sync + 'static {
    /// Says what is wrong with an answer; it is then replaced by a 500 that says so.
    ///
    /// # Errors
    /// What is wrong.
    fn check(
        &self,
        method: &Method,
        path: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), String>;
}

/// A check of the answer to one request.
pub(crate) struct Checking {
    check: Arc<dyn AnswerCheck>,
    method: Method,
    path: String,
}

impl Checking {
    pub(crate) fn of<B>(check: Arc<dyn AnswerCheck>, request: &Request<B>) -> Self {
        Self { check, method: request.method().clone(), path: request.uri().path().to_owned() }
    }

    /// The answer, or a 500 that says what is wrong with it.
    pub(crate) async fn passed(self, answer: Response) -> Response {
        let (mut parts, body) = answer.into_parts();
        let read = body.collect().await.map_err(|error| format!("answer broke off: {error}"));
        let checked = read.and_then(|body| {
            let body = body.to_bytes();
            self.check.check(&self.method, &self.path, parts.status, &parts.headers, &body)?;
            Ok(body)
        });
        match checked {
            Ok(body) => Response::from_parts(parts, Body::from(body)),
            Err(problem) => {
                parts.status = StatusCode::INTERNAL_SERVER_ERROR;
                let body = failure(&parts.headers, problem);
                parts.headers.remove(header::CONTENT_LENGTH);
                let json = HeaderValue::from_static("application/json");
                parts.headers.insert(header::CONTENT_TYPE, json);
                Response::from_parts(parts, Body::from(body))
            }
        }
    }
}

fn failure(answered: &HeaderMap, problem: String) -> Vec<u8> {
    let text = |name: &'static str| {
        let value = answered.get(HeaderName::from_static(name));
        value.and_then(|value| value.to_str().ok()).unwrap_or_default()
    };
    let error = Error::new(ErrorCode::InternalError, problem);
    let body = error.to_response(text(headers::REQUEST_ID), text(headers::TRACE_ID));
    serde_json::to_vec(&body).unwrap_or_default()
}
