//! What the validator catches, and what it lets pass.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use cycles_conformance::{Contract, Exchange, Violation};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const HEADERS: [(&str, &str); 3] =
    [("x-request-id", "r"), ("x-cycles-trace-id", TRACE), ("content-type", "application/json")];

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let pair = |(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    pairs.iter().copied().map(pair).collect()
}

fn answer(
    method: &str,
    path: &str,
    status: u16,
    pairs: &[(&'static str, &'static str)],
    body: &str,
) -> Result<(), Violation> {
    Contract::shared().check(&Exchange {
        method: &Method::from_bytes(method.as_bytes()).unwrap(),
        path,
        status: StatusCode::from_u16(status).unwrap(),
        headers: &headers(pairs),
        body: body.as_bytes(),
    })
}

fn check(method: &str, path: &str, status: u16, body: &Value) -> Result<(), Violation> {
    answer(method, path, status, &HEADERS, &body.to_string())
}

fn commit(status: u16, body: &Value) -> Result<(), Violation> {
    check("POST", "/v1/reservations/rsv_1/commit", status, body)
}

fn committed() -> Value {
    json!({"status": "COMMITTED", "charged": {"unit": "TOKENS", "amount": 1}})
}

fn refusal(code: &str) -> Value {
    json!({"error": code, "message": "m", "request_id": "r", "trace_id": TRACE})
}

fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

#[test]
fn what_the_contract_says_passes() {
    commit(200, &committed()).unwrap();
    commit(409, &refusal("RESERVATION_FINALIZED")).unwrap();
    check("GET", "/v1/evidence/none", 404, &refusal("NOT_FOUND")).unwrap();
    check("GET", "/v1/nowhere", 404, &json!("anything")).unwrap();
    check("POST", "/v1/admin/tenants", 201, &json!(7)).unwrap();
}

#[test]
fn a_missing_field_is_caught() {
    let mut body = committed();
    body.as_object_mut().unwrap().remove("charged");
    let violation = commit(200, &body).unwrap_err();
    assert_eq!(
        violation.to_string(),
        "contract violation: \"charged\" is a required property \
         operation=\"commitReservation\" status=200 at=\"\""
    );
}

#[test]
fn a_wrong_type_is_caught_and_its_place_named() {
    for value in [json!("1"), json!(1.5), json!(-1), json!(null), json!(true)] {
        let violation = commit(200, &with(committed(), "/charged/amount", value)).unwrap_err();
        assert_eq!(violation.at, "/charged/amount");
    }
    let violation = commit(200, &with(committed(), "/charged/unit", json!("EUROS"))).unwrap_err();
    assert_eq!(violation.at, "/charged/unit");
}

#[test]
fn a_field_too_many_is_caught_where_the_schema_is_closed() {
    let amount = json!({"unit": "TOKENS", "amount": 1, "surprise": 1});
    let violation = commit(200, &with(committed(), "/charged", amount)).unwrap_err();
    assert_eq!(violation.at, "/charged");
    assert!(violation.expected.contains("surprise"), "{violation}");
    let mut body = refusal("NOT_FOUND");
    body["surprise"] = json!(1);
    commit(404, &body).unwrap_err();
}

#[test]
fn an_undeclared_status_is_caught_unless_it_is_an_exception() {
    for status in [201, 204, 302, 402, 418, 422, 501] {
        let violation = commit(status, &committed()).unwrap_err();
        assert_eq!((violation.status, violation.operation.as_str()), (status, "commitReservation"));
    }
    // Declared for others, not for this one.
    check("GET", "/v1/balances", 410, &refusal("RESERVATION_EXPIRED")).unwrap_err();
    check("GET", "/v1/decide", 200, &json!({})).unwrap_err();
    // Exceptions are refusals, and still have to look like one.
    check("GET", "/v1/decide", 405, &refusal("INVALID_REQUEST")).unwrap();
    check("GET", "/v1/decide", 405, &json!({"detail": "nope"})).unwrap_err();
    commit(415, &refusal("INVALID_REQUEST")).unwrap();
}

#[test]
fn an_unknown_code_is_caught() {
    let violation = commit(409, &refusal("SURPRISE")).unwrap_err();
    assert_eq!(violation.at, "/error");
}

#[test]
fn headers_are_checked() {
    let body = committed().to_string();
    let with = |pairs: &[(&'static str, &'static str)]| {
        answer("POST", "/v1/reservations/r/commit", 200, pairs, &body)
    };
    with(&HEADERS).unwrap();
    for missing in 0..HEADERS.len() {
        let mut headers = HEADERS.to_vec();
        let (name, _) = headers.remove(missing);
        assert_eq!(with(&headers).unwrap_err().at, name);
    }
    let wrong = [HEADERS[0], ("x-cycles-trace-id", "NOT-HEX"), HEADERS[2]];
    assert_eq!(with(&wrong).unwrap_err().at, "x-cycles-trace-id");
    let html = [HEADERS[0], HEADERS[1], ("content-type", "text/html")];
    assert_eq!(with(&html).unwrap_err().at, "content-type");
}

#[test]
fn a_429_says_when_to_try_again() {
    let body = refusal("LIMIT_EXCEEDED").to_string();
    let wait = [("retry-after", "1"), ("x-ratelimit-reset", "1")];
    let check = |pairs: &[(&'static str, &'static str)]| {
        answer("POST", "/v1/decide", 429, &[&HEADERS, pairs].concat(), &body)
    };
    check(&wait).unwrap();
    assert_eq!(check(&wait[1..]).unwrap_err().at, "retry-after");
    assert_eq!(check(&wait[..1]).unwrap_err().at, "x-ratelimit-reset");
}

#[test]
fn an_answer_in_process_is_checked_without_headers() {
    let check = |body: &Value| {
        Contract::shared().check_body(&Exchange {
            method: &Method::POST,
            path: "/v1/reservations/r/commit",
            status: StatusCode::OK,
            headers: &HeaderMap::new(),
            body: body.to_string().as_bytes(),
        })
    };
    check(&committed()).unwrap();
    check(&json!({})).unwrap_err();
}

#[test]
fn head_has_no_body() {
    let head = |status, pairs| answer("HEAD", "/v1/balances", status, pairs, "");
    head(200, &HEADERS).unwrap();
    head(200, &[]).unwrap_err();
    head(302, &HEADERS).unwrap_err();
}

#[test]
fn exceptions_must_be_needed_and_have_a_reason() {
    const OPENAPI: &str = include_str!("../../../tests/vectors/cycles-protocol-v0.yaml");
    for (exceptions, problem) in [
        ("[[status]]\nstatus = 404\noperations = ['getEvidence']\nreason = 'r'", "declared"),
        (
            "[[status]]\nstatus = 405\noperations = ['getNothing']\nreason = 'r'",
            "unknown operation",
        ),
        ("[[status]]\nstatus = 405\nreason = ' '", "no reason"),
        ("[[status]]\nstatus = 405", "reason"),
        ("[[status]]\nstatus = 405\nreason = 'r'\nsurprise = 1", "surprise"),
    ] {
        let error = Contract::parse(OPENAPI, exceptions).unwrap_err();
        assert!(error.contains(problem), "{error}");
    }
}
