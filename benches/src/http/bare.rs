//! The least that a handler of axum's must do to answer a reserve: authenticate,
//! parse, hash the payload, make the ids and write the same answer. It decides
//! and remembers nothing, unless it is given a database to do it in.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use cycles_protocol::{
    Amount, Balance, Call, Decision, Random, ReservationCreateRequest, ReservationCreateResponse,
    ReservationId, SignedAmount, SystemRandom, UniqueIds, Unit, canonical, headers, strict,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

use super::in_sql::Ledger;
use super::{TENANTS, announce, secret};

type Keys = HashMap<[u8; 32], usize>;

struct Service {
    keys: Keys,
    ids: UniqueIds,
    ledger: Option<Ledger>,
}

pub(super) async fn serve(ledger: Option<Ledger>) -> Result<()> {
    let keys: Keys = (0..TENANTS).map(|tenant| (hash(&secret(tenant)), tenant)).collect();
    let router = Router::new()
        .route("/v1/reservations", post(reserve))
        .with_state(Arc::new(Service { keys, ids: UniqueIds::new(), ledger }));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    announce(&listener.local_addr()?.to_string());
    Ok(axum::serve(
        axum::serve::ListenerExt::tap_io(listener, |tcp| _ = tcp.set_nodelay(true)),
        router,
    )
    .await?)
}

async fn reserve(State(service): State<Arc<Service>>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_known(&service.keys, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Ok(request) = strict::parse::<ReservationCreateRequest>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let hash = black_box(canonical::payload_hash(&request));
    let call = Call::new(&service.ids);
    let mut id = [0; 16];
    SystemRandom.fill(&mut id);
    if let Some(ledger) = &service.ledger {
        match ledger.reserve(id, &request, hash.as_slice()) {
            Ok(true) => {}
            Ok(false) => return StatusCode::CONFLICT.into_response(),
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
    let Ok(body) = serde_json::to_vec(&answer(id, &request)) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = Response::new(body.into());
    let fixed = HeaderValue::from_static;
    let made = |id: &str| HeaderValue::from_str(id).unwrap_or(fixed(""));
    let answered = response.headers_mut();
    answered.insert(header::CONTENT_TYPE, fixed("application/json"));
    answered.insert(headers::REQUEST_ID, made(&call.request_id));
    answered.insert(headers::TRACE_ID, made(&call.trace_id));
    answered.insert(headers::TENANT, fixed("t0"));
    answered.insert(headers::RATE_LIMIT_REMAINING, fixed("-1"));
    answered.insert(headers::RATE_LIMIT_RESET, fixed("0"));
    response
}

/// What our server answers to the same request.
fn answer(id: [u8; 16], request: &ReservationCreateRequest) -> ReservationCreateResponse {
    let scope = "tenant:t0/workspace:prod/agent:bot";
    let scopes = ["tenant:t0", "tenant:t0/workspace:prod", scope].map(str::to_owned);
    let mut answer = ReservationCreateResponse::new(Decision::Allow, scopes.to_vec());
    answer.reservation_id =
        Some(ReservationId::new(format!("res_{:032x}", u128::from_ne_bytes(id))));
    answer.reserved = Some(request.estimate);
    answer.expires_at_ms = Some(1_800_000_060_000);
    answer.remaining_ttl_ms = Some(60_000);
    let amount = |amount| Some(Amount::tokens(amount));
    let mut balance = Balance::new(scope, SignedAmount::new(Unit::Tokens, i64::MAX / 2 - 10));
    balance.reserved = amount(10);
    balance.spent = amount(0);
    balance.debt = amount(0);
    balance.allocated = amount(i64::MAX / 2);
    balance.overdraft_limit = amount(0);
    balance.is_over_limit = Some(false);
    answer.balances = Some(vec![balance]);
    answer
}

fn is_known(keys: &Keys, headers: &HeaderMap) -> bool {
    let Some(key) = headers.get(headers::API_KEY).and_then(|key| key.to_str().ok()) else {
        return false;
    };
    let hash = hash(key);
    keys.get_key_value(&hash).is_some_and(|(known, _)| bool::from(known.ct_eq(&hash)))
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}
