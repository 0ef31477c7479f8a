//! The server on a real socket: starting, serving, draining, stopping.

use std::sync::Arc;
use std::time::Duration;

use crate::support::connection::{connect, exchange, read_answer, request_text};
use crate::support::stub::Stub;
use crate::support::{ADMIN_KEY, Conforming, acme, engine, reservation};
use cycles_protocol::limits::BODY_MAX;
use cycles_server::{EmbeddedServer, ServerConfig, Unanswered};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;

const PATIENCE: Duration = Duration::from_secs(20);

async fn started() -> EmbeddedServer {
    let config = ServerConfig::over_engine(ADMIN_KEY, &engine()).check(Arc::new(Conforming));
    EmbeddedServer::start(config).await.unwrap()
}

fn reserve_text() -> String {
    request_text("POST", "/v1/reservations", &[acme()], &reservation("k", 10).to_string())
}

/// A server whose authority waits, and what it waits for.
async fn waiting() -> (EmbeddedServer, Arc<Notify>, Arc<Notify>) {
    let (came, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let stub = Stub::Waits { came: Arc::clone(&came), go_on: Arc::clone(&go_on) };
    let config = ServerConfig::new(ADMIN_KEY, Arc::new(stub), Arc::new(engine()));
    (EmbeddedServer::start(config).await.unwrap(), came, go_on)
}

async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it takes too long")
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    // The end of the stream or a reset: both mean gone.
    matches!(bounded(stream.read(&mut [0; 1])).await, Ok(0) | Err(_))
}

#[tokio::test]
async fn it_serves_both_planes_on_a_free_port() {
    let server = started().await;
    let answer = exchange(server.base_url(), &reserve_text()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let headers = [("x-admin-api-key", ADMIN_KEY)];
    let lookup =
        request_text("GET", "/v1/admin/budgets/lookup?scope=tenant:acme&unit=TOKENS", &headers, "");
    assert_eq!(server.admin_url(), server.base_url());
    let answer = exchange(server.admin_url(), &lookup).await;
    assert!(answer.contains(r#""reserved":{"unit":"TOKENS","amount":10}"#), "{answer}");
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let server = started().await;
    let mut stream = connect(server.base_url()).await;
    for _ in 0..3 {
        stream.write_all(reserve_text().as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn it_hangs_up_without_an_answer_only_when_told_to() {
    let unanswered = async |unanswered| {
        let config = ServerConfig::new(ADMIN_KEY, Arc::new(Stub::NoAnswer), Arc::new(engine()))
            .unanswered(unanswered);
        let server = EmbeddedServer::start(config).await.unwrap();
        let mut stream = connect(server.base_url()).await;
        stream.write_all(reserve_text().as_bytes()).await.unwrap();
        let mut first = [0; 12];
        let read = bounded(stream.read(&mut first)).await.unwrap();
        String::from_utf8_lossy(&first[..read]).into_owned()
    };
    assert_eq!(unanswered(Unanswered::Refuse).await, "HTTP/1.1 500");
    assert_eq!(unanswered(Unanswered::HangUp).await, "");
}

#[tokio::test]
async fn a_second_address_answers_the_same() {
    let config = ServerConfig::over_engine(ADMIN_KEY, &engine())
        .admin_listen(Some("127.0.0.1:0".parse().unwrap()));
    let server = EmbeddedServer::start(config).await.unwrap();
    assert_ne!(server.base_url(), server.admin_url());
    for url in [server.base_url(), server.admin_url()] {
        let answer = exchange(url, &request_text("GET", "/actuator/health", &[], "")).await;
        assert!(answer.contains(r#"{"status":"UP"}"#), "{answer}");
    }
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let server = started().await;
    let address = server.base_url().trim_start_matches("http://").parse().unwrap();
    let config = ServerConfig::over_engine(ADMIN_KEY, &engine()).listen(address);
    let error = EmbeddedServer::start(config).await.unwrap_err();
    assert_eq!((error.address, error.source.kind()), (address, std::io::ErrorKind::AddrInUse));
}

#[tokio::test]
async fn shutdown_lets_a_request_in_flight_end() {
    let (server, came, go_on) = waiting().await;
    let mut idle = connect(server.base_url()).await;
    let mut stream = connect(server.base_url()).await;
    let text = request_text("GET", "/v1/balances?tenant=acme", &[acme()], "");
    stream.write_all(text.as_bytes()).await.unwrap();
    bounded(came.notified()).await;

    let base_url = server.base_url().to_owned();
    let shutdown = tokio::spawn(async move { server.shutdown().await });
    assert!(is_closed(&mut idle).await, "idle connections end at once");
    assert!(!shutdown.is_finished(), "it waits for the request");
    assert!(TcpStream::connect(base_url.trim_start_matches("http://")).await.is_err());

    go_on.notify_one();
    let answer = read_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    bounded(shutdown).await.unwrap();
    assert!(is_closed(&mut stream).await);
}

#[tokio::test]
async fn shutdown_is_bounded() {
    let (server, came, _go_on) = waiting().await;
    let mut stream = connect(server.base_url()).await;
    let text = request_text("GET", "/v1/balances?tenant=acme", &[acme()], "");
    stream.write_all(text.as_bytes()).await.unwrap();
    bounded(came.notified()).await;
    tokio::time::pause(); // from here timers run out as soon as nothing else happens
    tokio::time::timeout(Duration::from_secs(11), server.shutdown()).await.expect("it gives up");
}

#[tokio::test]
async fn dropping_it_stops_it_at_once() {
    let (server, came, _go_on) = waiting().await;
    let mut stream = connect(server.base_url()).await;
    let text = request_text("GET", "/v1/balances?tenant=acme", &[acme()], "");
    stream.write_all(text.as_bytes()).await.unwrap();
    bounded(came.notified()).await;
    let base_url = server.base_url().to_owned();
    drop(server);
    assert!(is_closed(&mut stream).await);
    assert!(TcpStream::connect(base_url.trim_start_matches("http://")).await.is_err());
}

#[tokio::test]
async fn a_client_that_sends_too_much_sees_why() {
    let server = started().await;
    let body = "x".repeat(2 * BODY_MAX);
    let answer =
        exchange(server.base_url(), &request_text("POST", "/v1/decide", &[acme()], &body)).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("INVALID_REQUEST") && answer.contains("trace_id"), "{answer}");
}

#[tokio::test]
async fn a_client_that_announces_far_too_much_is_refused_at_once() {
    let server = started().await;
    let mut stream = connect(server.base_url()).await;
    let head = "POST /v1/decide HTTP/1.1\r\nhost: t\r\nx-cycles-api-key: cyc_test_acme\r\ncontent-length: 99999999999\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn a_chunked_body_is_bounded_too() {
    let server = started().await;
    let mut stream = connect(server.base_url()).await;
    let head = "POST /v1/decide HTTP/1.1\r\nhost: t\r\nx-cycles-api-key: cyc_test_acme\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", BODY_MAX, "x".repeat(BODY_MAX));
    for _ in 0..2 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    let answer = read_answer(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(answer.contains("too large"), "{answer}");
}
