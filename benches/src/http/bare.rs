//! The least that a handler of axum's must do to answer a reserve: parse,
//! authenticate, hash the payload, and answer the same bytes. It decides and
//! remembers nothing.

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
use cycles_protocol::{ReservationCreateRequest, canonical, headers};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::net::TcpListener;

use super::{TENANTS, announce, secret};

/// What our server answers to the same request.
const ANSWER: &str = r#"{"decision":"ALLOW","reservation_id":"res_3f1e6c2a-9d40-4a77-8c55-0123456789ab","affected_scopes":["tenant:t0","tenant:t0/workspace:prod","tenant:t0/workspace:prod/agent:bot"],"scope_path":"tenant:t0/workspace:prod/agent:bot","reserved":{"unit":"TOKENS","amount":10},"expires_at_ms":1800000060000,"remaining_ttl_ms":60000,"balances":[{"scope":"agent:bot","scope_path":"tenant:t0/workspace:prod/agent:bot","remaining":{"unit":"TOKENS","amount":4611686018427387893},"reserved":{"unit":"TOKENS","amount":10},"spent":{"unit":"TOKENS","amount":0},"debt":{"unit":"TOKENS","amount":0},"allocated":{"unit":"TOKENS","amount":4611686018427387903},"overdraft_limit":{"unit":"TOKENS","amount":0},"is_over_limit":false}]}"#;

type Keys = HashMap<[u8; 32], usize>;

pub(super) async fn serve() -> Result<()> {
    let keys: Keys = (0..TENANTS).map(|tenant| (hash(&secret(tenant)), tenant)).collect();
    let router = Router::new().route("/v1/reservations", post(reserve)).with_state(Arc::new(keys));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    announce(&listener.local_addr()?.to_string());
    Ok(axum::serve(axum::serve::ListenerExt::tap_io(listener, |tcp| _ = tcp.set_nodelay(true)), router).await?)
}

async fn reserve(State(keys): State<Arc<Keys>>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_known(&keys, &headers) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Ok(request) = serde_json::from_slice::<ReservationCreateRequest>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    black_box(canonical::payload_hash(&request));
    let mut response = Response::new(ANSWER.into());
    let text = HeaderValue::from_static;
    let answered = response.headers_mut();
    answered.insert(header::CONTENT_TYPE, text("application/json"));
    answered.insert(headers::REQUEST_ID, text("3f1e6c2a-9d40-4a77-8c55-0123456789ab"));
    answered.insert(headers::TRACE_ID, text("0123456789abcdef0123456789abcdef"));
    answered.insert(headers::TENANT, text("t0"));
    answered.insert(headers::RATE_LIMIT_REMAINING, text("-1"));
    answered.insert(headers::RATE_LIMIT_RESET, text("0"));
    response
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
