//! Clients that mean harm or know no better, on a real socket: whatever one does,
//! its connection ends or goes on, and the server does not hang on it.

use std::sync::Arc;
use std::time::Duration;

use crate::support::connection::{connect, read_answer, request_text};
use crate::support::{ADMIN_KEY, Conforming, acme, engine, reservation};
use cycles_protocol::limits::BODY_MAX;
use cycles_server::{EmbeddedServer, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

const GET: &str =
    "GET /v1/balances?tenant=acme HTTP/1.1\r\nhost: t\r\nx-cycles-api-key: cyc_test_acme\r\n\r\n";
const POST: &str = "POST /v1/decide HTTP/1.1\r\nhost: t\r\nx-cycles-api-key: cyc_test_acme\r\n";

/// Without a sweep: under a paused clock it would never rest.
async fn started() -> EmbeddedServer {
    let engine = Arc::new(engine());
    let config = ServerConfig::new(ADMIN_KEY, engine.clone(), engine).check(Arc::new(Conforming));
    EmbeddedServer::start(config).await.unwrap()
}

async fn sent(server: &EmbeddedServer, text: &str) -> TcpStream {
    let mut stream = connect(server.base_url()).await;
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Everything until the server closes the connection, which a reset does too.
///
/// Without a limit of its own: where the clock is paused, that timer could run
/// out before the server has set its own.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8(bytes).unwrap()
}

#[track_caller]
fn refused(answer: &str, status: u16) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.contains("INVALID_REQUEST") && answer.contains("x-request-id"), "{answer}");
}

#[tokio::test]
async fn a_connection_stays_usable_after_refusals() {
    let server = started().await;
    let bad = [
        request_text("POST", "/v1/reservations", &[acme()], "{"),
        request_text("GET", "/v1/reservations?limit=0", &[acme()], ""),
        request_text("DELETE", "/v1/decide", &[acme()], "left over"),
        request_text("POST", "/v1/decide", &[acme(), ("content-type", "text/plain")], "left over"),
        request_text("POST", "/v1/decide", &[acme()], &"x".repeat(BODY_MAX + 1)),
        request_text(
            "POST",
            "/v1/decide",
            &[acme(), ("x-idempotency-key", "\u{e9}\u{1f600}")],
            "{}",
        ),
    ];
    let mut stream = connect(server.base_url()).await;
    for text in &bad {
        stream.write_all(text.as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
        stream.write_all(GET.as_bytes()).await.unwrap();
        let answer = read_answer(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = started().await;
    let bad = request_text("POST", "/v1/reservations", &[acme()], "{");
    let last = GET.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    let mut stream = sent(&server, &format!("{bad}{GET}{bad}{last}")).await;
    let answers = rest(&mut stream).await;
    let statuses: Vec<_> =
        answers.match_indices("HTTP/1.1 ").map(|(at, _)| &answers[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["400", "200", "400", "200"]);
}

#[tokio::test]
async fn chunked_bodies_that_break_off_or_make_no_sense_are_refused() {
    let server = started().await;
    for body in ["5\r\n{\"a\"", "zz\r\n", "5\r\n{\"a\"}}}}\r\n", "ffffffffffffffffff\r\n"] {
        let text = format!("{POST}transfer-encoding: chunked\r\n\r\n{body}");
        let mut stream = sent(&server, &text).await;
        stream.shutdown().await.unwrap();
        refused(&rest(&mut stream).await, 400);
    }
    let mut stream = sent(&server, &format!("{POST}content-length: 100\r\n\r\n{{")).await;
    stream.shutdown().await.unwrap();
    refused(&rest(&mut stream).await, 400);
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_go_on_or_refused() {
    let server = started().await;
    let body = reservation("k", 10).to_string();
    let head = POST.replace("/v1/decide", "/v1/reservations");
    let expect = |length| format!("{head}expect: 100-continue\r\ncontent-length: {length}\r\n\r\n");
    let mut stream = sent(&server, &expect(body.len())).await;
    assert_eq!(read_answer(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).await.unwrap();
    assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));

    let mut stream = sent(&server, &expect(BODY_MAX + 1)).await;
    refused(&read_answer(&mut stream).await, 400);
}

#[tokio::test]
async fn long_headers_are_refused_and_short_ones_of_any_kind_are_not() {
    let server = started().await;
    for (name, value, status) in [
        ("x-idempotency-key", "k".repeat(257), 400),
        ("x-cycles-api-key", "k".repeat(100_000), 401),
        ("traceparent", "0".repeat(100_000), 200),
        ("x-cycles-trace-id", "\u{1f600}".to_owned(), 200),
    ] {
        let key = if name == acme().0 { ("x-other", "") } else { acme() };
        let body = reservation("k", 10).to_string();
        let headers = [key, (name, value.as_str())];
        let text = request_text("POST", "/v1/reservations", &headers, &body);
        let answer = read_answer(&mut sent(&server, &text).await).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
    }
}

// hyper answers these before there is a request to answer: a bare status, and the end.
#[tokio::test]
async fn what_is_not_http_ends_the_connection() {
    let server = started().await;
    let many: String = (0..101).fold(String::new(), |text, n| text + &format!("h{n}: v\r\n"));
    let huge = format!("h: {}\r\n", "v".repeat(1_000_000));
    for (text, statuses) in [
        ("nonsense\r\n\r\n".to_owned(), &["400"][..]),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), &["400"]),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(), &["400"]),
        ("GET / HTTP/1.1\r\nnul: \0\r\n\r\n".to_owned(), &["400"]),
        (format!("{POST}content-length: 1\r\ncontent-length: 2\r\n\r\n"), &["400"]),
        (format!("{POST}content-length: -1\r\n\r\n"), &["400"]),
        (format!("GET / HTTP/1.1\r\n{many}\r\n"), &["431", "400"]),
        (format!("GET / HTTP/1.1\r\n{huge}\r\n"), &["431", "400"]),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(100_000)), &["414", "400"]),
    ] {
        let mut stream = connect(server.base_url()).await;
        // The server may close before all of it is written.
        let _ = stream.write_all(text.as_bytes()).await;
        let answer = rest(&mut stream).await;
        let status = answer.get(9..12).unwrap_or_default();
        assert!(statuses.contains(&status), "{text:.40} {answer}");
    }
    assert!(read_answer(&mut sent(&server, GET).await).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_head_that_does_not_end_is_given_up() {
    let server = started().await;
    let mut stream = sent(&server, "GET /v1/balances HTTP/1.1\r\nhost: t\r\n").await;
    tokio::time::pause(); // from here timers run out as soon as nothing else happens
    rest(&mut stream).await;
}

#[tokio::test]
async fn a_body_that_does_not_end_is_refused() {
    let server = started().await;
    let mut stream = sent(&server, &format!("{POST}content-length: 9\r\n\r\n{{")).await;
    tokio::time::pause();
    refused(&rest(&mut stream).await, 408);
}

/// A connection with the smallest buffer there is.
async fn narrow(server: &EmbeddedServer) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    let address = server.base_url().trim_start_matches("http://").parse().unwrap();
    socket.connect(address).await.unwrap()
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answers_is_dropped() {
    let server = started().await;
    let mut stream = narrow(&server).await;
    // Asks until the server, whose answers have no more room, stops listening to it.
    let asking = async { while stream.write_all(GET.repeat(100).as_bytes()).await.is_ok() {} };
    tokio::time::pause();
    asking.await;
    // The other side has gone, and with it the task: a shutdown has nothing to wait for.
    let start = tokio::time::Instant::now();
    server.shutdown().await;
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
}
