//! What holds for every answer: ids, traces, sentinels, unknown paths, wrong
//! methods, health, and failures of the server itself.

use std::sync::Arc;

use crate::support::connection::{exchange, request_text};
use crate::support::stub::Stub;
use crate::support::{Service, acme, engine, request, reservation, send};
use axum::body::{Body, Bytes};
use axum::http::Method;
use cycles_protocol::{Authority, Operation, SystemRandom};
use cycles_server::{AdminKey, App, AppState, EmbeddedServer, ServerConfig, app};

const A: &str = "0af7651916cd43dd8448eb211c80319c";
const B: &str = "1bf7651916cd43dd8448eb211c80319c";

fn router(authority: impl Authority) -> App {
    let (authority, control) = (Arc::new(authority), Arc::new(engine()));
    app(AppState::new(authority, control, AdminKey::none(), Arc::new(SystemRandom)))
}

#[tokio::test]
async fn the_trace_is_the_callers_where_it_is_well_formed() {
    let service = Service::new();
    let parent = format!("00-{A}-b7ad6b7169203331-01");
    let zero = format!("00-{}-b7ad6b7169203331-01", "0".repeat(32));
    for (headers, expected) in [
        (vec![("traceparent", parent.as_str())], Some(A)),
        (vec![("x-cycles-trace-id", B)], Some(B)),
        (vec![("traceparent", parent.as_str()), ("x-cycles-trace-id", B)], Some(A)),
        (vec![("traceparent", zero.as_str()), ("x-cycles-trace-id", B)], Some(B)),
        (vec![("traceparent", "nonsense"), ("x-cycles-trace-id", "nonsense")], None),
        (vec![], None),
    ] {
        for path in ["/v1/balances?tenant=acme", "/v1/nowhere", "/actuator/health"] {
            let headers: Vec<_> = headers.iter().copied().chain([acme()]).collect();
            let reply = service.get(path, &headers).await;
            reply.identified();
            let trace = reply.header("x-cycles-trace-id");
            match expected {
                Some(expected) => assert_eq!(trace, expected, "{headers:?}"),
                None => assert!(trace != A && trace != B, "{headers:?}"),
            }
        }
    }
}

#[tokio::test]
async fn the_request_id_is_always_the_servers() {
    let service = Service::new();
    let sent = [acme(), ("x-request-id", "mine")];
    let first = service.get("/v1/balances?tenant=acme", &sent).await;
    let second = service.get("/v1/balances?tenant=acme", &sent).await;
    assert_ne!(first.header("x-request-id"), "mine");
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}

#[tokio::test]
async fn v1_answers_carry_the_unlimited_sentinels() {
    let service = Service::new();
    for path in ["/v1/balances?tenant=acme", "/v1/nowhere", "/v1/reservations/none"] {
        let reply = service.get(path, &[acme()]).await;
        assert_eq!(reply.header("x-ratelimit-remaining"), "-1", "{path}");
        assert_eq!(reply.header("x-ratelimit-reset"), "0", "{path}");
    }
    assert_eq!(service.get("/actuator/health", &[]).await.header("x-ratelimit-reset"), "");
}

#[tokio::test]
async fn unknown_paths_are_404_and_public() {
    let service = Service::new();
    let long = format!("/{}", "x".repeat(5000));
    for path in
        ["/", "/v1", "/v1/", "/v2/balances", "/v1/reservations/", "/v1/reservations/a/b/c", &long]
    {
        service.get(path, &[]).await.refused(404, "NOT_FOUND");
    }
    let evidence = format!("/v1/evidence/{}", "a".repeat(64));
    for path in [evidence.as_str(), "/v1/.well-known/cycles-jwks.json"] {
        service.get(path, &[]).await.refused(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn wrong_methods_are_405_and_say_which_are_right() {
    let service = Service::new();
    for (method, path, allow) in [
        (Method::DELETE, "/v1/reservations", "POST"),
        (Method::GET, "/v1/decide", "POST"),
        (Method::GET, "/v1/events", "POST"),
        (Method::POST, "/v1/balances", "GET"),
        (Method::PUT, "/v1/reservations/a", "GET"),
        (Method::OPTIONS, "/v1/reservations/a/commit", "POST"),
        (Method::POST, "/actuator/health", "GET"),
        (Method::PUT, "/v1/admin/tenants", "POST"),
        (Method::from_bytes(b"BREW").unwrap(), "/v1/decide", "POST"),
    ] {
        let reply = service.send(method, path, &[acme()], "").await;
        reply.refused(405, "INVALID_REQUEST");
        assert!(reply.header("allow").contains(allow), "{path}: {}", reply.header("allow"));
    }
    let head = service.send(Method::HEAD, "/v1/decide", &[acme()], "").await;
    assert_eq!(head.status, 405);
    head.identified();
}

#[tokio::test]
async fn head_answers_as_get_without_a_body() {
    let service = Service::new();
    for (path, status) in [
        ("/v1/balances?tenant=acme", 200),
        ("/v1/balances", 400),
        ("/v1/reservations/none", 404),
        ("/actuator/health", 200),
    ] {
        let reply = service.send(Method::HEAD, path, &[acme()], "").await;
        assert_eq!((reply.status.as_u16(), reply.body.is_null()), (status, true), "{path}");
        reply.identified();
    }
}

#[tokio::test]
async fn health_is_up() {
    let service = Service::new();
    for path in ["/actuator/health", "/actuator/health/liveness", "/actuator/health/readiness"] {
        let reply = service.get(path, &[]).await;
        assert_eq!((reply.status.as_u16(), &reply.body["status"]), (200, &"UP".into()));
        assert_eq!(reply.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn a_panic_becomes_an_answer_that_tells_nothing() {
    for operation in Operation::ALL {
        let id = cycles_protocol::ReservationId::new("r");
        let method = if operation.has_body() { Method::POST } else { Method::GET };
        let headers = [acme(), ("x-cycles-trace-id", A)];
        let body = reservation("k", 1).to_string().into();
        let request = request(method, &operation.path(Some(&id)), &headers, body);
        let reply = send(&router(Stub::Panics), request).await;
        reply.refused(500, "INTERNAL_ERROR");
        assert_eq!(reply.header("x-cycles-trace-id"), A);
        assert!(!reply.body.to_string().contains("secret"), "{reply:?}");
    }
}

#[tokio::test]
async fn an_authority_without_an_answer_is_500() {
    let request = request(Method::GET, "/v1/balances?tenant=acme", &[acme()], Body::empty());
    let reply = send(&router(Stub::NoAnswer), request).await;
    reply.refused(500, "INTERNAL_ERROR");
    assert!(!reply.body.to_string().contains("secret"), "{reply:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_given_up() {
    let never = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
    let body = Body::from_stream(never);
    let reply =
        send(&router(Stub::Panics), request(Method::POST, "/v1/decide", &[acme()], body)).await;
    reply.refused(408, "INVALID_REQUEST");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let broken = futures_util::stream::iter([
        Ok(Bytes::from_static(b"{")),
        Err(std::io::Error::other("gone")),
    ]);
    let body = Body::from_stream(broken);
    let reply =
        send(&router(Stub::Panics), request(Method::POST, "/v1/decide", &[acme()], body)).await;
    reply.refused(400, "INVALID_REQUEST");
}

/// Finds fault with every answer.
#[derive(Debug)]
struct Grumbler;

impl cycles_server::AnswerCheck for Grumbler {
    fn check(
        &self,
        method: &Method,
        path: &str,
        status: axum::http::StatusCode,
        headers: &axum::http::HeaderMap,
        body: &[u8],
    ) -> Result<(), String> {
        assert!(headers.contains_key("x-request-id") && !body.is_empty());
        Err(format!("wrong {method} {path} {status}"))
    }
}

#[tokio::test]
async fn an_answer_that_its_check_refuses_becomes_a_500_that_says_why() {
    let config = ServerConfig::over_engine("admin", &engine()).check(Arc::new(Grumbler));
    let server = EmbeddedServer::start(config).await.unwrap();
    let text = request_text("GET", "/v1/balances?tenant=acme", &[acme()], "");
    let answer = exchange(server.base_url(), &text).await;
    assert!(answer.starts_with("HTTP/1.1 500"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-length: {}", body.len())), "{answer}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["message"], "wrong GET /v1/balances 200 OK");
    assert!(head.contains(body["request_id"].as_str().unwrap()), "{answer}");
}
