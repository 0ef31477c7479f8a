//! Listings item by item.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cycles_protocol::Operation;
use cycles_testkit::{TestServer, Transport};
use futures_util::{StreamExt, TryStreamExt};
use runcycles::models::{
    Action, Amount, BalanceParams, EventCreateRequest, ListReservationsParams,
    ReservationCreateRequest,
};
use runcycles::{CyclesClient, Error};
use serde_json::json;
use wiremock::matchers::{method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

const SEED: &str = "
tenants: [{tenant_id: acme}]
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets:
  - {scope: 'tenant:acme', unit: TOKENS, allocated: 1000}
  - {scope: 'tenant:acme/agent:a', unit: TOKENS, allocated: 1000}
  - {scope: 'tenant:acme/agent:b', unit: TOKENS, allocated: 1000}
";

async fn world() -> (TestServer, CyclesClient) {
    let server = TestServer::start(SEED).await.unwrap();
    let builder = CyclesClient::builder("", "").tenant("acme");
    let client = server.client_with(builder, None, Transport::Http).unwrap();
    (server, client)
}

fn by_two() -> ListReservationsParams {
    ListReservationsParams { limit: Some(2), ..ListReservationsParams::default() }
}

#[tokio::test]
async fn all_pages_are_followed_and_each_item_comes_once() {
    let (server, client) = world().await;
    let mut made = Vec::new();
    for _ in 0..7 {
        let request = ReservationCreateRequest::builder()
            .action(Action::new("llm", "m"))
            .estimate(Amount::tokens(1))
            .build();
        made.push(client.create_reservation(&request).await.unwrap().reservation_id.unwrap());
    }
    let rows: Vec<_> = client.list_reservations_stream(by_two()).try_collect().await.unwrap();
    let mut listed: Vec<_> = rows.into_iter().map(|row| row.reservation_id).collect();
    listed.sort();
    made.sort();
    assert_eq!(listed, made);
    assert_eq!(server.count(Operation::ListReservations), 4);
}

#[tokio::test]
async fn a_page_is_fetched_only_when_it_is_needed() {
    let (server, client) = world().await;
    let spend = EventCreateRequest::builder()
        .action(Action::new("llm", "m"))
        .actual(Amount::tokens(1))
        .build();
    client.create_event(&spend).await.unwrap();
    let params =
        BalanceParams { include_children: Some(true), limit: Some(1), ..BalanceParams::default() };
    let mut balances = client.balances_stream(params);
    assert_eq!(server.count(Operation::GetBalances), 0);
    for pages in 1..=3 {
        balances.next().await.unwrap().unwrap();
        assert_eq!(server.count(Operation::GetBalances), pages);
    }
    assert!(balances.next().await.is_none());
}

async fn scripted() -> (MockServer, CyclesClient) {
    let server = MockServer::start().await;
    let client = CyclesClient::builder("key", server.uri()).journal_enabled(false).build();
    (server, client)
}

fn page(next: &str) -> ResponseTemplate {
    let row = json!({
        "scope": "tenant:acme", "scope_path": "tenant:acme",
        "remaining": {"unit": "TOKENS", "amount": 1}
    });
    let page = json!({"balances": [row], "next_cursor": next, "has_more": true});
    ResponseTemplate::new(200).set_body_json(page)
}

fn acme() -> BalanceParams {
    BalanceParams { tenant: Some("acme".into()), ..BalanceParams::default() }
}

#[tokio::test]
async fn an_error_ends_the_listing() {
    let (server, client) = scripted().await;
    let get = || Mock::given(method("GET")).and(path("/v1/balances"));
    get().and(query_param_is_missing("cursor")).respond_with(page("c1")).mount(&server).await;
    let refused = json!({"error": "FORBIDDEN", "message": "no", "request_id": "req-1"});
    let refused = ResponseTemplate::new(403).set_body_json(refused);
    get().and(query_param("cursor", "c1")).respond_with(refused).mount(&server).await;
    let answers: Vec<_> = client.balances_stream(acme()).collect().await;
    let [Ok(_), Err(error)] = &answers[..] else { panic!("{answers:?}") };
    assert!(error.is_auth_error());
}

#[tokio::test]
async fn a_page_that_names_itself_does_not_loop() {
    let (server, client) = scripted().await;
    Mock::given(path("/v1/balances")).respond_with(page("same")).mount(&server).await;
    let answers: Vec<_> = client.balances_stream(acme()).collect().await;
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert!(matches!(&answers[1], Err(Error::Deserialization(_))), "{answers:?}");
}

#[tokio::test]
async fn without_any_filter_nothing_is_asked() {
    let (server, client) = scripted().await;
    let answers: Vec<_> = client.balances_stream(BalanceParams::default()).collect().await;
    assert!(
        matches!(&answers[..], [Err(Error::Validation(message))] if message.contains("tenant"))
    );
    assert!(server.received_requests().await.unwrap().is_empty());
}
