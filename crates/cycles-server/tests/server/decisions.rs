//! Why something was decided, asked afterwards.

use cycles_server::{EmbeddedServer, ServerConfig};
use serde_json::{Value, json};

use crate::support::connection::{exchange, request_text};
use crate::support::{ACME_KEY, ADMIN_KEY, acme, engine, reservation};

async fn ask(server: &EmbeddedServer, key: (&str, &str), query: &str) -> (u16, Value) {
    let text = request_text("GET", &format!("/v1/x-cycles/decisions{query}"), &[key], "");
    let answer = exchange(server.base_url(), &text).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
}

async fn reserve(server: &EmbeddedServer, key: &str, amount: i64) -> String {
    let body = reservation(key, amount).to_string();
    let text = request_text("POST", "/v1/reservations", &[acme()], &body);
    let answer = exchange(server.base_url(), &text).await;
    let id = answer.lines().find_map(|line| line.strip_prefix("x-request-id: "));
    id.unwrap().to_owned()
}

#[tokio::test]
async fn decisions_are_remembered_with_the_budgets_they_met() {
    let engine = engine();
    let config = ServerConfig::over_engine(ADMIN_KEY, &engine).decisions();
    let server = EmbeddedServer::start(config).await.unwrap();
    let allowed = reserve(&server, "a", 900).await;
    let denied = reserve(&server, "b", 200).await;

    let admin = ("x-admin-api-key", ADMIN_KEY);
    let (status, found) = ask(&server, admin, &format!("?request_id={denied}")).await;
    assert_eq!(status, 200);
    let decision = &found["decisions"][0];
    assert_eq!(decision["decision"], "DENY");
    assert_eq!(decision["reason_code"], "BUDGET_EXCEEDED");
    assert_eq!(decision["details"]["scope"], "tenant:acme");
    assert_eq!(decision["balances"][0]["remaining"]["amount"], 100);
    assert_eq!(decision["balances"][0]["reserved"]["amount"], 900);

    let (_, found) = ask(&server, acme(), &format!("?request_id={allowed}")).await;
    let id = found["decisions"][0]["reservation_id"].as_str().unwrap().to_owned();
    let (_, by_id) = ask(&server, acme(), &format!("?reservation_id={id}")).await;
    assert_eq!(by_id, found);
    let (_, denials) = ask(&server, acme(), "?denied=true").await;
    assert_eq!(denials["decisions"].as_array().unwrap().len(), 1);

    let other = ("x-cycles-api-key", "cyc_test_other");
    let (status, none) = ask(&server, other, "?tenant_id=acme").await;
    assert_eq!((status, &none["decisions"]), (200, &json!([])), "another tenant's are not shown");
    for (key, refusal) in [("cyc_test_reader", 403), ("cyc_test_bot", 403), ("nobody", 401)] {
        assert_eq!(ask(&server, ("x-cycles-api-key", key), "").await.0, refusal, "{key}");
    }
    assert_eq!(ask(&server, admin, "?denied=perhaps").await.0, 400);
}

#[tokio::test]
async fn a_server_without_a_record_says_so() {
    let server = EmbeddedServer::start_with_engine(ADMIN_KEY, &engine()).await.unwrap();
    let (status, body) = ask(&server, ("x-cycles-api-key", ACME_KEY), "").await;
    assert_eq!(status, 404);
    assert!(body["message"].as_str().unwrap().contains("no record"), "{body}");
}
