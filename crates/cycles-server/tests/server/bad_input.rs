//! What is not well formed: the spec's status and code, both ids, and a ledger
//! that did not change (issue 2, "Bad input").

use crate::support::{Service, acme, reservation};
use axum::http::Method;
use serde_json::{Value, json};

fn with(pointer: &str, value: Value) -> String {
    let mut body = reservation("bad", 10);
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(field.to_owned(), value);
    body.to_string()
}

fn without(field: &str) -> String {
    let mut body = reservation("bad", 10);
    body.as_object_mut().unwrap().remove(field);
    body.to_string()
}

/// The amount as text, for what JSON values cannot hold.
fn amount(text: &str) -> String {
    let good = reservation("bad", 10).to_string();
    let bad = good.replace(r#""amount":10"#, &format!(r#""amount":{text}"#));
    assert_ne!(good, bad);
    bad
}

/// A good reservation with metadata `depth` lists deep.
fn nested(depth: usize) -> String {
    let lists = "[".repeat(depth) + &"]".repeat(depth);
    with("/metadata", json!({"deep": 0})).replacen(r#""deep":0"#, &format!(r#""deep":{lists}"#), 1)
}

fn bad_reservations() -> Vec<(&'static str, String)> {
    let good = reservation("bad", 10).to_string();
    vec![
        ("empty", String::new()),
        ("not JSON", "{".to_owned()),
        ("not an object", "[]".to_owned()),
        ("trailing text", format!("{good} {{}}")),
        ("NaN", amount("NaN")),
        ("not UTF-8 escaped", r#"{"idempotency_key":"\ud800"}"#.to_owned()),
        ("unknown field", with("/surprise", json!(1))),
        ("unknown nested field", with("/subject/team", json!("x"))),
        ("unknown amount field", with("/estimate/currency", json!("x"))),
        ("no key", without("idempotency_key")),
        ("no subject", without("subject")),
        ("no action", without("action")),
        ("no estimate", without("estimate")),
        ("empty key", with("/idempotency_key", json!(""))),
        ("oversized key", with("/idempotency_key", json!("k".repeat(257)))),
        ("number for a key", with("/idempotency_key", json!(7))),
        ("null", with("/ttl_ms", Value::Null)),
        ("float amount", with("/estimate/amount", json!(1.5))),
        ("whole float amount", amount("10.0")),
        ("exponent amount", amount("1e1")),
        ("string amount", with("/estimate/amount", json!("10"))),
        ("boolean amount", with("/estimate/amount", json!(true))),
        ("negative amount", with("/estimate/amount", json!(-1))),
        ("amount above int64", amount("9223372036854775808")),
        ("amount far above int64", amount("1000000000000000000000000")),
        ("amount at 2^64", amount("18446744073709551616")),
        ("amount beyond doubles", amount("1e400")),
        ("negative zero", amount("-0")),
        ("leading zero", amount("010")),
        ("key twice", good.replacen('{', r#"{"idempotency_key":"bad","#, 1)),
        ("amount twice", amount(r#"1,"amount":10"#)),
        ("list for a request", json!(["bad", {"tenant": "acme"}]).to_string()),
        ("list for a subject", with("/subject", json!(["acme"]))),
        ("list for an action", with("/action", json!(["llm.completion", "m"]))),
        ("list for an amount", with("/estimate", json!(["TOKENS", 10]))),
        ("list for a unit", with("/estimate/unit", json!(["TOKENS"]))),
        ("object for a unit", with("/estimate/unit", json!({"TOKENS": {}}))),
        ("NUL in a level", with("/subject/agent", json!("a\0"))),
        ("raw NUL", good.replacen("bad", "b\0d", 1)),
        ("NUL after the end", format!("{good}\0")),
        ("lone surrogate", good.replacen("bad", r"\udc00", 1)),
        ("byte order mark", format!("\u{feff}{good}")),
        ("nested too deep", nested(10_000)),
        ("unknown unit", with("/estimate/unit", json!("EUROS"))),
        ("lower-case unit", with("/estimate/unit", json!("tokens"))),
        ("empty subject", with("/subject", json!({}))),
        ("subject of dimensions only", with("/subject", json!({"dimensions": {"a": "b"}}))),
        ("string for a subject", with("/subject", json!("acme"))),
        ("empty level", with("/subject/agent", json!(""))),
        ("slash in a level", with("/subject/agent", json!("a/b"))),
        ("colon in a level", with("/subject/agent", json!("a:b"))),
        ("space in a level", with("/subject/agent", json!("a b"))),
        ("accent in a level", with("/subject/agent", json!("é"))),
        ("newline in a level", with("/subject/agent", json!("a\n"))),
        ("oversized level", with("/subject/agent", json!("a".repeat(129)))),
        ("oversized action kind", with("/action/kind", json!("k".repeat(65)))),
        ("float ttl", with("/ttl_ms", json!(60000.5))),
        ("ttl too short", with("/ttl_ms", json!(999))),
        ("ttl too long", with("/ttl_ms", json!(86_400_001))),
        ("grace too long", with("/grace_period_ms", json!(60_001))),
        ("unknown policy", with("/overage_policy", json!("YOLO"))),
        ("string for dry_run", with("/dry_run", json!("true"))),
    ]
}

#[tokio::test]
async fn malformed_reservations_are_refused_and_change_nothing() {
    let service = Service::new();
    let before = service.ledger();
    for (name, body) in bad_reservations() {
        let reply = service.send(Method::POST, "/v1/reservations", &[acme()], body).await;
        assert_eq!(reply.status, 400, "{name}: {reply:?}");
        reply.refused(400, "INVALID_REQUEST");
        assert_eq!(service.ledger(), before, "{name}");
    }
    // None of them used the key up.
    let good = service.post("/v1/reservations", &[acme()], &reservation("bad", 10)).await;
    assert_eq!(good.status, 200, "{good:?}");
}

#[tokio::test]
async fn a_body_that_is_not_utf_8_is_refused() {
    let service = Service::new();
    let before = service.ledger();
    for (from, to) in [("bad", &b"b\xFFd"[..]), ("tenant", b"ten\xC3nt"), ("acme", b"\xED\xA0\x80")]
    {
        let good = reservation("bad", 10).to_string();
        let (head, tail) = good.split_once(from).unwrap();
        let body = [head.as_bytes(), to, tail.as_bytes()].concat();
        let reply = service.send(Method::POST, "/v1/reservations", &[acme()], body).await;
        reply.refused(400, "INVALID_REQUEST");
        assert_eq!(service.ledger(), before, "{from}");
    }
}

#[tokio::test]
async fn what_is_odd_but_well_formed_is_taken_as_it_stands() {
    let service = Service::new();
    let key = "k\0\u{feff}\u{10ffff}";
    for body in [with("/idempotency_key", json!(key)), nested(100)] {
        let reply = service.send(Method::POST, "/v1/reservations", &[acme()], body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let path = "/v1/reservations?idempotency_key=k%00%EF%BB%BF%F4%8F%BF%BF";
    let reply = service.get(path, &[acme()]).await;
    assert_eq!(reply.body["reservations"].as_array().unwrap().len(), 1, "{reply:?}");
    // The largest amount there is: well formed, and more than there is to spend.
    let body = amount(&i64::MAX.to_string()).replacen("bad", "large", 1);
    let reply = service.send(Method::POST, "/v1/reservations", &[acme()], body).await;
    reply.refused(409, "BUDGET_EXCEEDED");
}

#[tokio::test]
async fn malformed_settlements_are_refused_and_change_nothing() {
    let service = Service::new();
    let id = service.reserve(10).await;
    let before = service.ledger();
    for (operation, body) in [
        ("commit", json!({"idempotency_key": "c"})),
        ("commit", json!({"idempotency_key": "c", "actual": {"unit": "TOKENS", "amount": 1.0}})),
        ("commit", json!({"idempotency_key": "c", "actual": {"unit": "TOKENS", "amount": -1}})),
        ("commit", json!({"idempotency_key": "", "actual": {"unit": "TOKENS", "amount": 1}})),
        (
            "commit",
            json!({"idempotency_key": "c", "actual": {"unit": "TOKENS", "amount": 1}, "metrics": [null]}),
        ),
        ("release", json!({})),
        ("release", json!(["x", "reason"])),
        ("release", json!({"idempotency_key": "x", "reason": "r".repeat(257)})),
        ("release", json!({"idempotency_key": "x", "because": "r"})),
        ("extend", json!({"idempotency_key": "x"})),
        ("extend", json!({"idempotency_key": "x", "extend_by_ms": 0})),
        ("extend", json!({"idempotency_key": "x", "extend_by_ms": "1000"})),
    ] {
        let path = format!("/v1/reservations/{id}/{operation}");
        service.post(&path, &[acme()], &body).await.refused(400, "INVALID_REQUEST");
        assert_eq!(service.ledger(), before, "{operation} {body}");
    }
}

#[tokio::test]
async fn other_writes_are_as_strict() {
    let service = Service::new();
    let before = service.ledger();
    let mut event = reservation("e", 10);
    let fields = event.as_object_mut().unwrap();
    fields.remove("ttl_ms");
    fields.remove("estimate");
    service.post("/v1/events", &[acme()], &event).await.refused(400, "INVALID_REQUEST");
    service
        .post("/v1/decide", &[acme()], &reservation("d", 10)) // decide has no ttl_ms
        .await
        .refused(400, "INVALID_REQUEST");
    assert_eq!(service.ledger(), before);
}

#[tokio::test]
async fn a_header_key_must_equal_the_bodys() {
    let service = Service::new();
    let before = service.ledger();
    let body = reservation("in-body", 10);
    for keys in [
        &[acme(), ("x-idempotency-key", "in-header")][..],
        &[acme(), ("x-idempotency-key", "")],
        &[acme(), ("x-idempotency-key", "in-body"), ("x-idempotency-key", "in-body")],
    ] {
        service.post("/v1/reservations", keys, &body).await.refused(400, "INVALID_REQUEST");
        assert_eq!(service.ledger(), before);
    }
    let same = [acme(), ("x-idempotency-key", "in-body")];
    assert_eq!(service.post("/v1/reservations", &same, &body).await.status, 200);
}

#[tokio::test]
async fn malformed_ids_and_queries_are_refused() {
    let service = Service::new();
    let long = "r".repeat(129);
    for path in [
        "/v1/reservations/%FF".to_owned(),
        format!("/v1/reservations/{long}"),
        "/v1/reservations?idempotency_key=%FF".to_owned(),
        "/v1/reservations?%C3=x".to_owned(),
        "/v1/reservations?limit=1&limit=2".to_owned(),
        "/v1/reservations?status=ACTIVE&tenant=acme&status=ACTIVE".to_owned(),
        "/v1/balances?tenant=acme&tenant=other".to_owned(),
        "/v1/balances?tenant=acme&agent=a&agent=".to_owned(),
        "/v1/balances?tenant=acme%00".to_owned(),
        "/v1/reservations?limit=18446744073709551616".to_owned(),
        "/v1/reservations?limit=-0".to_owned(),
        "/v1/reservations?limit=0".to_owned(),
        "/v1/reservations?limit=ten".to_owned(),
        "/v1/reservations?status=GONE".to_owned(),
        "/v1/reservations?from=yesterday".to_owned(),
        "/v1/balances".to_owned(),
        "/v1/balances?tenant=a%2Fb".to_owned(),
        "/v1/balances?limit=201&tenant=acme".to_owned(),
    ] {
        service.get(&path, &[acme()]).await.refused(400, "INVALID_REQUEST");
    }
    let commit = json!({"idempotency_key": "c", "actual": {"unit": "TOKENS", "amount": 1}});
    let path = format!("/v1/reservations/{long}/commit");
    for path in [path.as_str(), "/v1/reservations//commit"] {
        service.post(path, &[acme()], &commit).await.refused(400, "INVALID_REQUEST");
    }
    for path in ["/v1/reservations/rsv_none", "/v1/reservations/a%2Fb%00"] {
        service.get(path, &[acme()]).await.refused(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn bodies_must_be_uncompressed_json() {
    let service = Service::new();
    let body = reservation("k", 10);
    for header in [
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-type", "text/plain"),
        ("content-encoding", "gzip"),
    ] {
        let reply = service.post("/v1/reservations", &[acme(), header], &body).await;
        reply.refused(415, "INVALID_REQUEST");
    }
    for header in [
        ("content-type", "application/json; charset=utf-8"),
        ("content-type", "application/json"),
        ("content-encoding", "identity"),
    ] {
        let reply = service.post("/v1/reservations", &[acme(), header], &body).await;
        assert_eq!(reply.status, 200, "{header:?} {reply:?}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let service = Service::new();
    let before = service.ledger();
    let mut body = reservation("big", 10);
    body["metadata"] = json!({"padding": "x".repeat(cycles_protocol::limits::BODY_MAX)});
    let reply = service.post("/v1/reservations", &[acme()], &body).await;
    reply.refused(400, "INVALID_REQUEST");
    assert!(reply.body["message"].as_str().unwrap().contains("too large"));
    assert_eq!(service.ledger(), before);

    body["metadata"] = json!({"padding": "x".repeat(cycles_protocol::limits::BODY_MAX / 2)});
    assert_eq!(service.post("/v1/reservations", &[acme()], &body).await.status, 200);
}
