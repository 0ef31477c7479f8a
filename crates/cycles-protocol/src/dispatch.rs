//! From wire form to the typed operations and back: what the HTTP server and an
//! in-process low-level client share, so that both answer the same bytes.

use serde::Serialize;

use crate::authority::{Authority, Operation, RawRequest, RawResponse};
use crate::error::{Error, ErrorCode};
use crate::strict::{self, Validate};
use crate::{Answer, Call, ReservationId, headers, limits, query};

/// Reads the request strictly, runs it, and writes the answer; a refusal
/// becomes the spec's error body.
pub async fn dispatch<A: Authority + ?Sized>(
    authority: &A,
    call: &Call,
    request: RawRequest,
) -> RawResponse {
    run(authority, call, &request).await.unwrap_or_else(|error| refuse(call, &error))
}

/// A refusal in wire form.
#[must_use]
pub fn refuse(call: &Call, error: &Error) -> RawResponse {
    let body = error.to_response(&call.request_id, &call.trace_id);
    let status = error.status().unwrap_or(500);
    let mut response = respond(call, status, &body).unwrap_or_else(|_| bare(status));
    if let Some(wait) = error.retry_after() {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers.push((headers::RETRY_AFTER.to_owned(), seconds.to_string()));
        response.headers.push((headers::RATE_LIMIT_RESET.to_owned(), seconds.to_string()));
    }
    response
}

async fn run<A: Authority + ?Sized>(
    authority: &A,
    call: &Call,
    request: &RawRequest,
) -> Result<RawResponse, Error> {
    let ok = 200;
    match request.operation {
        Operation::CreateReservation => {
            answer(call, ok, authority.create_reservation(call, &body(request)?).await)
        }
        Operation::Commit => {
            let (id, body) = (id(request)?, body(request)?);
            answer(call, ok, authority.commit(call, id, &body).await)
        }
        Operation::Release => {
            let (id, body) = (id(request)?, body(request)?);
            answer(call, ok, authority.release(call, id, body).await)
        }
        Operation::Extend => {
            let (id, body) = (id(request)?, body(request)?);
            answer(call, ok, authority.extend(call, id, body).await)
        }
        Operation::Decide => answer(call, ok, authority.decide(call, body(request)?).await),
        Operation::CreateEvent => {
            answer(call, 201, authority.create_event(call, body(request)?).await)
        }
        Operation::GetBalances => {
            let params = query::balances(&request.query)?;
            answer(call, ok, authority.get_balances(call, params).await)
        }
        Operation::ListReservations => {
            let params = query::list(&request.query)?;
            answer(call, ok, authority.list_reservations(call, params).await)
        }
        Operation::GetReservation => {
            answer(call, ok, authority.get_reservation(call, id(request)?).await)
        }
    }
}

fn id(request: &RawRequest) -> Result<&ReservationId, Error> {
    let id = request.reservation_id.as_ref();
    id.filter(|id| (1..=limits::RESERVATION_ID_MAX).contains(&id.as_str().len())).ok_or_else(|| {
        Error::new(
            ErrorCode::InvalidRequest,
            format!("reservation id must have 1 to {} characters", limits::RESERVATION_ID_MAX),
        )
    })
}

fn body<T: serde::de::DeserializeOwned + Serialize + Validate + HasKey>(
    request: &RawRequest,
) -> Result<T, Error> {
    let body: T = strict::parse(&request.body)?;
    match &request.idempotency_header {
        Some(header) if header != body.key() => Err(Error::new(
            ErrorCode::InvalidRequest,
            "X-Idempotency-Key differs from the body's idempotency_key; send one or make them equal",
        )),
        _ => Ok(body),
    }
}

/// A request with an idempotency key.
trait HasKey {
    fn key(&self) -> &str;
}

macro_rules! has_key {
    ($($request:ty),+) => {$(
        impl HasKey for $request {
            fn key(&self) -> &str {
                self.idempotency_key.as_str()
            }
        }
    )+};
}

has_key!(
    crate::ReservationCreateRequest,
    crate::CommitRequest,
    crate::ReleaseRequest,
    crate::ExtendRequest,
    crate::DecisionRequest,
    crate::EventCreateRequest
);

fn answer<T: Serialize>(
    call: &Call,
    status: u16,
    answer: Result<Answer<T>, Error>,
) -> Result<RawResponse, Error> {
    respond(call, status, &answer?.value)
}

fn respond(call: &Call, status: u16, body: &impl Serialize) -> Result<RawResponse, Error> {
    let mut text = Vec::with_capacity(limits::ANSWER_USUAL);
    serde_json::to_writer(&mut text, body).map_err(|error| {
        Error::new(ErrorCode::InternalError, format!("answer could not be written: {error}"))
    })?;
    let mut response = bare(status);
    response.headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        (headers::REQUEST_ID.to_owned(), call.request_id.to_string()),
        (headers::TRACE_ID.to_owned(), call.trace_id.to_string()),
    ];
    if let crate::Principal::Tenant { tenant_id, .. } = &call.principal {
        response.headers.push((headers::TENANT.to_owned(), tenant_id.as_ref().to_owned()));
    }
    response.body = text;
    Ok(response)
}

fn bare(status: u16) -> RawResponse {
    RawResponse { status, headers: Vec::new(), body: Vec::new() }
}
