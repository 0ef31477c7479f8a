//! The runtime plane: the nine operations, handed on in wire form.

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use cycles_protocol::{
    Call, Error, ErrorCode, Operation, RawRequest, RawResponse, ReservationId, headers,
};
use percent_encoding::percent_decode_str;

use crate::app::AppState;
use crate::auth::Accepts;
use crate::listener::HangUp;
use crate::{Unanswered, answer, body, query};

/// The operation that answers there, if one does.
pub(crate) fn find(method: &Method, path: &str) -> Option<Operation> {
    // HTTP: HEAD is answered as GET is, without the body.
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    at(path).find(|operation| operation.method() == method)
}

/// The operations on `path`, whatever their method.
pub(crate) fn at(path: &str) -> impl Iterator<Item = Operation> {
    Operation::ALL.into_iter().filter(move |operation| operation.match_path(path).is_some())
}

/// Answers one operation.
pub(crate) async fn answer(
    app: &AppState,
    operation: Operation,
    mut call: Call,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let response = match run(app, operation, &mut call, &parts, body).await {
        Ok(Ok(answer)) => answer::raw(answer),
        Ok(Err(error)) => unanswered(app, &call, &error),
        Err(refusal) => answer::refused(&call, &refusal),
    };
    if parts.method == Method::HEAD { answer::without_body(response) } else { response }
}

/// The authority's answer or that it gave none, unless the request is refused
/// before it. The order is the spec's precedence: the key before the request.
async fn run(
    app: &AppState,
    operation: Operation,
    call: &mut Call,
    parts: &Parts,
    body: Body,
) -> Result<Result<RawResponse, Error>, Error> {
    call.principal = app.authenticate(accepts(operation), &parts.headers)?;
    let mut request = RawRequest::new(operation, Vec::new());
    if operation.names_reservation() {
        request.reservation_id = Some(reservation_id(operation, parts.uri.path())?);
    }
    if operation.has_body() {
        request.idempotency_header = idempotency_header(&parts.headers)?;
        request.body = body::read(&parts.headers, body).await?;
    } else {
        request.query = query::pairs(parts.uri.query())?;
    }
    Ok(app.authority().send(call, request).await)
}

// spec: `AdminKeyAuth` stands beside `ApiKeyAuth` on these three.
const fn accepts(operation: Operation) -> Accepts {
    match operation {
        Operation::ListReservations | Operation::GetReservation | Operation::Release => {
            Accepts::Either
        }
        _ => Accepts::Tenant,
    }
}

fn reservation_id(operation: Operation, path: &str) -> Result<ReservationId, Error> {
    let segment = operation.match_path(path).unwrap_or_default();
    let id = percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| Error::new(ErrorCode::InvalidRequest, "reservation id is not UTF-8"))?;
    Ok(ReservationId::new(id))
}

fn idempotency_header(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let invalid = |what| Error::new(ErrorCode::InvalidRequest, format!("X-Idempotency-Key {what}"));
    let mut values = headers.get_all(headers::IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(invalid("was sent more than once"));
    }
    let key = str::from_utf8(value.as_bytes()).map_err(|_| invalid("is not UTF-8"))?;
    Ok(Some(key.to_owned()))
}

/// The authority gave no valid answer; callers may repeat with the same key.
fn unanswered(app: &AppState, call: &Call, error: &Error) -> Response {
    tracing::error!(request_id = &*call.request_id, %error, "the authority gave no answer");
    let message = "the authority gave no answer; repeat with the same key";
    let mut response = answer::refused(call, &Error::new(ErrorCode::InternalError, message));
    if app.unanswered() == Unanswered::HangUp {
        response.extensions_mut().insert(HangUp);
    }
    response
}
