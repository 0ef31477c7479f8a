//! Answers in wire form, written as HTTP.

use axum::body::{Body, HttpBody};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use cycles_protocol::{
    Call, Error, ErrorCode, ErrorResponse, Principal, RawResponse, dispatch, headers,
};
use serde::Serialize;

/// Headers of an answer, at the most.
const HEADERS: usize = 12;

/// An authority's answer; nothing is copied but the headers' names.
pub(crate) fn raw(answer: RawResponse) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    // With those that `context::around` and the connection add, never more.
    response.headers_mut().reserve(HEADERS);
    for (name, value) in answer.headers {
        // `context::around` sets these two on every answer.
        if name == headers::REQUEST_ID || name == headers::TRACE_ID {
            continue;
        }
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The same answer as HEAD gets it: its length stays.
pub(crate) fn without_body(mut response: Response) -> Response {
    let body = std::mem::take(response.body_mut());
    if let Some(length) = body.size_hint().exact() {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

/// The spec's error body.
pub(crate) fn refused(call: &Call, error: &Error) -> Response {
    raw(dispatch::refuse(call, error))
}

/// A value that the governance plane answers.
pub(crate) fn json(call: &Call, status: StatusCode, value: &impl Serialize) -> Response {
    let body = match serde_json::to_vec(value) {
        Ok(body) => body,
        Err(error) => {
            let message = format!("answer could not be written: {error}");
            return refused(call, &Error::new(ErrorCode::InternalError, message));
        }
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    if let Principal::Tenant { tenant_id, .. } = &call.principal
        && let Ok(tenant) = HeaderValue::from_str(tenant_id)
    {
        response.headers_mut().insert(headers::TENANT, tenant);
    }
    response
}

/// A refusal whose status HTTP prescribes rather than the code: 405, 408, 415.
/// The spec has no code of their own for these.
pub(crate) fn http_refusal(status: StatusCode, message: &str) -> Error {
    let body = ErrorResponse {
        error: ErrorCode::InvalidRequest,
        message: message.to_owned(),
        request_id: String::new(), // set when it is written
        trace_id: None,
        details: None,
        cycles_evidence: None,
    };
    Error::from_response(status.as_u16(), body, None)
}
