//! What surrounds every request: its ids, the headers of its answer, and the
//! net under a panic.

use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use cycles_protocol::{Call, Error, ErrorCode, headers, trace};
use futures_util::FutureExt;

use crate::answer;
use crate::app::AppState;

const REQUEST_ID: HeaderName = HeaderName::from_static(headers::REQUEST_ID);
const TRACE_ID: HeaderName = HeaderName::from_static(headers::TRACE_ID);
const RATE_LIMIT_REMAINING: HeaderName = HeaderName::from_static(headers::RATE_LIMIT_REMAINING);
const RATE_LIMIT_RESET: HeaderName = HeaderName::from_static(headers::RATE_LIMIT_RESET);
const UNLIMITED: HeaderValue = HeaderValue::from_static("-1");
const ZERO: HeaderValue = HeaderValue::from_static("0");

/// Runs a request within a fresh [`Call`].
pub(crate) async fn around<F>(
    app: &AppState,
    request: Request,
    inner: impl FnOnce(Call, Request) -> F,
) -> Response
where
    F: Future<Output = Response>,
{
    let call = identify(app, request.headers());
    let (request_id, trace_id) = (ascii(&call.request_id), ascii(&call.trace_id));
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let versioned = uri.path().starts_with("/v1/");

    let answer = AssertUnwindSafe(async { inner(call, request).await }).catch_unwind().await;
    let mut response = answer.unwrap_or_else(|_| panicked(app, &request_id, &trace_id));

    let status = response.status();
    if status.is_server_error() {
        tracing::error!(%method, path = uri.path(), status = status.as_u16(), ?request_id, ?trace_id, "request failed");
    } else {
        tracing::debug!(%method, path = uri.path(), status = status.as_u16(), ?request_id, ?trace_id, "request answered");
    }
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, request_id);
    headers.insert(TRACE_ID, trace_id);
    if versioned && status == StatusCode::TOO_MANY_REQUESTS {
        headers.insert(RATE_LIMIT_REMAINING, ZERO);
        headers.entry(RATE_LIMIT_RESET).or_insert(ZERO);
    } else if versioned {
        headers.insert(RATE_LIMIT_REMAINING, UNLIMITED);
        headers.insert(RATE_LIMIT_RESET, ZERO);
    }
    response
}

/// The call that a routed request carries.
pub(crate) fn take(app: &AppState, parts: &mut Parts) -> Call {
    parts.extensions.remove().unwrap_or_else(|| Call::new(app.random()))
}

fn identify(app: &AppState, headers: &HeaderMap) -> Call {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let call = Call::new(app.random());
    match trace::inbound(text(headers::TRACEPARENT), text(headers::TRACE_ID)) {
        Some(trace_id) => call.in_trace(trace_id),
        None => call,
    }
}

/// The panic's message stays in the log: it may hold what callers must not see.
fn panicked(app: &AppState, request_id: &HeaderValue, trace_id: &HeaderValue) -> Response {
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let mut call = Call::within_trace(app.random(), text(trace_id));
    call.request_id = text(request_id).into();
    let error = Error::new(
        ErrorCode::InternalError,
        "the server failed on this request; its log has the cause under request_id",
    );
    answer::refused(&call, &error)
}

fn ascii(id: &str) -> HeaderValue {
    HeaderValue::from_str(id).unwrap_or_else(|_| HeaderValue::from_static(""))
}
