//! What errors say of the answer that they come from.

use cycles_testkit::{TestServer, Transport};
use runcycles::models::{Action, Amount, CommitRequest, ErrorCode, ReservationCreateRequest};
use runcycles::{CyclesClient, Error};
use serde_json::json;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

const SEED: &str = "
tenants: [{tenant_id: acme}]
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 10}]
";

fn reserve(tokens: i64) -> ReservationCreateRequest {
    ReservationCreateRequest::builder()
        .action(Action::new("llm", "m"))
        .estimate(Amount::tokens(tokens))
        .build()
}

/// A reservation whose calls are answered by `answers`.
async fn held(answers: &[(&str, ResponseTemplate)]) -> (MockServer, CyclesClient) {
    let server = MockServer::start().await;
    let created = json!({
        "decision": "ALLOW", "reservation_id": "res_1", "affected_scopes": ["tenant:acme"]
    });
    let created = ResponseTemplate::new(200).set_body_json(created);
    Mock::given(path("/v1/reservations")).respond_with(created).mount(&server).await;
    for (at, answer) in answers {
        Mock::given(path(*at)).respond_with(answer.clone()).mount(&server).await;
    }
    let client =
        CyclesClient::builder("key", server.uri()).tenant("acme").journal_enabled(false).build();
    (server, client)
}

fn refused(status: u16, code: &str) -> ResponseTemplate {
    let body = json!({"error": code, "message": "no"});
    ResponseTemplate::new(status).set_body_json(body).insert_header("x-request-id", "req-7")
}

#[tokio::test]
async fn a_spend_that_nothing_keeps_and_nobody_books_says_both_refusals() {
    let commit = ("/v1/reservations/res_1/commit", refused(410, "RESERVATION_EXPIRED"));
    let (_server, client) = held(&[commit, ("/v1/events", refused(409, "BUDGET_FROZEN"))]).await;
    let guard = client.reserve(reserve(5)).await.unwrap();
    let commit = CommitRequest::builder().actual(Amount::tokens(5)).build();
    let error = guard.commit(commit).await.unwrap_err();
    assert!(!error.is_retryable());
    let Error::CommitRecoveryFailed { reservation_id, commit_error, event_error } = error else {
        panic!("{error:?}")
    };
    assert_eq!(reservation_id, "res_1");
    assert!(commit_error.is_reservation_expired(), "{commit_error:?}");
    assert_eq!(event_error.error_code(), Some(ErrorCode::BudgetFrozen));
}

#[tokio::test]
async fn without_journal_and_repeats_a_commit_without_an_answer_is_its_error() {
    let commit = ("/v1/reservations/res_1/commit", ResponseTemplate::new(503));
    let (server, _) = held(&[commit]).await;
    let client = CyclesClient::builder("key", server.uri())
        .tenant("acme")
        .journal_enabled(false)
        .retry_enabled(false)
        .build();
    let guard = client.reserve(reserve(5)).await.unwrap();
    let commit = CommitRequest::builder().actual(Amount::tokens(5)).build();
    let error = guard.commit(commit).await.unwrap_err();
    assert!(matches!(error, Error::Api { status: 503, code: None, .. }), "{error:?}");
}

#[tokio::test]
async fn a_refusal_without_its_ids_has_those_of_its_header_and_its_call() {
    let (_server, client) =
        held(&[("/v1/reservations/res_1/release", refused(409, "RESERVATION_FINALIZED"))]).await;
    let guard = client.reserve(reserve(5)).await.unwrap();
    let trace_id = guard.trace_id().to_owned();
    let error = guard.release("").await.unwrap_err();
    assert!(error.is_reservation_finalized());
    assert_eq!(error.request_id(), Some("req-7"));
    assert_eq!(error.trace_id(), Some(trace_id.as_str()));
}

#[tokio::test]
async fn denials_and_answers_name_their_trace() {
    for transport in [Transport::Http, Transport::Local] {
        let server = TestServer::start(SEED).await.unwrap();
        let builder = CyclesClient::builder("", "").tenant("acme");
        let client = server.client_with(builder, None, transport).unwrap();
        let denied = client.reserve(reserve(11)).await.unwrap_err();
        assert!(denied.is_budget_exceeded());
        assert_eq!(denied.trace_id().map(str::len), Some(32), "{denied}");
        assert!(denied.request_id().is_some());
        let answer = client.create_reservation_with_metadata(&reserve(1)).await.unwrap();
        assert_eq!(answer.trace_id().map(str::len), Some(32));
        assert!(answer.request_id.is_some());
    }
}
