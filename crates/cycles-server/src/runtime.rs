//! The runtime plane: the nine operations, handed on in wire form.

use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;
use cycles_protocol::{
    Call, Error, ErrorCode, Operation, RawRequest, RawResponse, ReservationId, headers,
};

use crate::app::AppState;
use crate::auth::Accepts;
use crate::{answer, body, context, query};

/// Answers one operation.
pub(crate) async fn answer(app: AppState, operation: Operation, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut call = context::take(&app, &mut parts);
    match run(&app, operation, &mut call, &mut parts, body).await {
        Ok(answer) => answer::raw(answer),
        Err(error) => answer::refused(&call, &error),
    }
}

/// The order is the spec's precedence: the key before the request.
async fn run(
    app: &AppState,
    operation: Operation,
    call: &mut Call,
    parts: &mut Parts,
    body: Body,
) -> Result<RawResponse, Error> {
    call.principal = app.authenticate(accepts(operation), &parts.headers)?;
    let mut request = RawRequest::new(operation, Vec::new());
    if operation.names_reservation() {
        request.reservation_id = Some(reservation_id(parts).await?);
    }
    if operation.has_body() {
        request.idempotency_header = idempotency_header(&parts.headers)?;
        request.body = body::read(&parts.headers, body).await?;
    } else {
        request.query = query::pairs(parts.uri.query())?;
    }
    app.authority().send(call, request).await.map_err(|error| no_answer(call, &error))
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

async fn reservation_id(parts: &mut Parts) -> Result<ReservationId, Error> {
    let invalid = || Error::new(ErrorCode::InvalidRequest, "reservation id is not UTF-8");
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| invalid())?;
    let (_, id) = params.iter().next().ok_or_else(invalid)?;
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
fn no_answer(call: &Call, error: &Error) -> Error {
    tracing::error!(request_id = call.request_id, %error, "the authority gave no answer");
    Error::new(ErrorCode::InternalError, "the authority gave no answer; repeat with the same key")
}
