//! The governance plane from an empty tenant to a frozen budget, with raw requests.

use crate::support::{Service, acme, admin};
use serde_json::{Value, json};

const BUDGET: &str = "scope=tenant:corp/workspace:prod&unit=TOKENS";

fn budget(tenant_id: Option<&str>, scope: &str) -> Value {
    let mut body = json!({
        "scope": scope,
        "unit": "TOKENS",
        "allocated": {"unit": "TOKENS", "amount": 100},
    });
    if let Some(tenant_id) = tenant_id {
        body["tenant_id"] = json!(tenant_id);
    }
    body
}

fn fund(key: &str, operation: &str, amount: i64) -> Value {
    json!({
        "operation": operation,
        "amount": {"unit": "TOKENS", "amount": amount},
        "idempotency_key": key,
    })
}

fn reserve(key: &str, amount: i64) -> Value {
    json!({
        "idempotency_key": key,
        "subject": {"tenant": "corp", "workspace": "prod"},
        "action": {"kind": "llm.completion", "name": "m"},
        "estimate": {"unit": "TOKENS", "amount": amount},
    })
}

/// A tenant `corp` with a key and a budget of 100; answers the key's secret.
async fn provision(service: &Service) -> String {
    let tenant = json!({"tenant_id": "corp", "name": "Corp"});
    let reply = service.post("/v1/admin/tenants", &[admin()], &tenant).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.body["status"]),
        (201, &json!("ACTIVE")),
        "{reply:?}"
    );
    let key = json!({"tenant_id": "corp", "name": "agent"});
    let reply = service.post("/v1/admin/api-keys", &[admin()], &key).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    let secret = reply.body["key_secret"].as_str().unwrap();
    assert!(secret.starts_with("cyc_live_"), "{secret}");
    let body = budget(Some("corp"), "tenant:corp/workspace:prod");
    let reply = service.post("/v1/admin/budgets", &[admin()], &body).await;
    assert_eq!((reply.status.as_u16(), &reply.body["remaining"]["amount"]), (201, &json!(100)));
    secret.to_owned()
}

#[tokio::test]
async fn from_nothing_to_a_frozen_budget() {
    let service = Service::new();
    let secret = provision(&service).await;
    let corp = [("x-cycles-api-key", secret.as_str())];

    service
        .post("/v1/reservations", &corp, &reserve("a", 101))
        .await
        .refused(409, "BUDGET_EXCEEDED");
    let path = format!("/v1/admin/budgets/fund?{BUDGET}&tenant_id=corp");
    let reply = service.post(&path, &[admin()], &fund("f", "CREDIT", 50)).await;
    assert_eq!((reply.status.as_u16(), &reply.body["new_allocated"]["amount"]), (200, &json!(150)));
    assert_eq!(service.post("/v1/reservations", &corp, &reserve("b", 101)).await.status, 200);

    let freeze = format!("/v1/admin/budgets/freeze?{BUDGET}");
    let reply = service.post(&freeze, &[admin()], &json!({"reason": "incident"})).await;
    assert_eq!((reply.status.as_u16(), &reply.body["status"]), (200, &json!("FROZEN")));
    service.post("/v1/reservations", &corp, &reserve("c", 1)).await.refused(409, "BUDGET_FROZEN");
    service.post(&path, &[admin()], &fund("g", "CREDIT", 1)).await.refused(409, "BUDGET_FROZEN");
    service.post(&freeze, &[admin()], &json!({})).await.refused(409, "INVALID_REQUEST");

    let unfreeze = format!("/v1/admin/budgets/unfreeze?{BUDGET}");
    let reply = service.send(axum::http::Method::POST, &unfreeze, &[admin()], "").await;
    assert_eq!((reply.status.as_u16(), &reply.body["status"]), (200, &json!("ACTIVE")));
    assert_eq!(service.post("/v1/reservations", &corp, &reserve("d", 1)).await.status, 200);

    let lookup = format!("/v1/admin/budgets/lookup?{BUDGET}");
    for key in [admin(), corp[0]] {
        let reply = service.get(&lookup, &[key]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.body["reserved"]["amount"], 102);
        assert_eq!(reply.body["tenant_id"], "corp");
    }
}

#[tokio::test]
async fn creating_a_tenant_again_is_safe() {
    let service = Service::new();
    provision(&service).await;
    let again = json!({"tenant_id": "corp", "name": "Corp"});
    assert_eq!(service.post("/v1/admin/tenants", &[admin()], &again).await.status, 200);
    let renamed = json!({"tenant_id": "corp", "name": "Corporation"});
    let reply = service.post("/v1/admin/tenants", &[admin()], &renamed).await;
    reply.refused(409, "DUPLICATE_RESOURCE");
    let twice = budget(Some("corp"), "tenant:corp/workspace:prod");
    let reply = service.post("/v1/admin/budgets", &[admin()], &twice).await;
    reply.refused(409, "DUPLICATE_RESOURCE");
}

#[tokio::test]
async fn funding_is_idempotent() {
    let service = Service::new();
    provision(&service).await;
    let path = format!("/v1/admin/budgets/fund?{BUDGET}&tenant_id=corp");
    let first = service.post(&path, &[admin()], &fund("f", "CREDIT", 50)).await;
    let second = service.post(&path, &[admin()], &fund("f", "CREDIT", 50)).await;
    assert_eq!(first.body, second.body);
    let other = service.post(&path, &[admin()], &fund("f", "CREDIT", 51)).await;
    other.refused(409, "IDEMPOTENCY_MISMATCH");
    let lookup = service.get(&format!("/v1/admin/budgets/lookup?{BUDGET}"), &[admin()]).await;
    assert_eq!(lookup.body["allocated"]["amount"], 150);
}

#[tokio::test]
async fn tenants_provision_only_themselves() {
    let service = Service::new();
    let secret = provision(&service).await;
    let corp = [("x-cycles-api-key", secret.as_str())];
    let create = "/v1/admin/budgets";

    let own = budget(None, "tenant:corp/agent:bot");
    let reply = service.post(create, &corp, &own).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.body["tenant_id"]),
        (201, &json!("corp")),
        "{reply:?}"
    );
    assert_eq!(reply.header("x-cycles-tenant"), "corp");
    let named = budget(Some("corp"), "tenant:corp/agent:two");
    service.post(create, &corp, &named).await.refused(400, "INVALID_REQUEST");
    let foreign = budget(None, "tenant:acme/agent:bot");
    service.post(create, &corp, &foreign).await.refused(403, "FORBIDDEN");

    // The query's tenant_id is ignored with a tenant's key.
    let own = format!("/v1/admin/budgets/fund?{BUDGET}&tenant_id=acme");
    assert_eq!(service.post(&own, &corp, &fund("t", "CREDIT", 1)).await.status, 200);
    let foreign = "/v1/admin/budgets/fund?scope=tenant:acme&unit=TOKENS";
    let before = service.ledger();
    service.post(foreign, &corp, &fund("t", "CREDIT", 1)).await.refused(403, "FORBIDDEN");
    assert_eq!(service.ledger(), before);
}

#[tokio::test]
async fn permissions_and_scope_filters_hold() {
    let service = Service::new();
    let reader = [("x-cycles-api-key", "cyc_test_reader")]; // balances:read only
    let lookup = "/v1/admin/budgets/lookup?scope=tenant:acme&unit=TOKENS";
    service.get(lookup, &reader).await.refused(403, "INSUFFICIENT_PERMISSIONS");
    let create = "/v1/admin/budgets";
    let body = budget(None, "tenant:acme/agent:bot");
    service.post(create, &reader, &body).await.refused(403, "INSUFFICIENT_PERMISSIONS");

    let bot = [("x-cycles-api-key", "cyc_test_bot")]; // agent:bot only
    service.get(lookup, &bot).await.refused(403, "FORBIDDEN");
    assert_eq!(service.post(create, &bot, &body).await.status, 201);
    let body = budget(None, "tenant:acme/agent:two");
    service.post(create, &bot, &body).await.refused(403, "FORBIDDEN");
    assert_eq!(service.get(lookup, &[acme()]).await.status, 200);
}

#[tokio::test]
async fn the_admin_key_must_name_the_scopes_tenant() {
    let service = Service::new();
    let create = "/v1/admin/budgets";
    for body in [budget(None, "tenant:acme/agent:x"), budget(Some("other"), "tenant:acme/agent:x")]
    {
        service.post(create, &[admin()], &body).await.refused(400, "INVALID_REQUEST");
    }
    let before = service.ledger();
    for path in [
        "/v1/admin/budgets/fund?scope=tenant:acme&unit=TOKENS",
        "/v1/admin/budgets/fund?scope=tenant:acme&unit=TOKENS&tenant_id=other",
        "/v1/admin/budgets/fund?unit=TOKENS&tenant_id=acme",
        "/v1/admin/budgets/fund?scope=tenant:acme&tenant_id=acme",
        "/v1/admin/budgets/fund?scope=tenant:acme&unit=EUROS&tenant_id=acme",
        "/v1/admin/budgets/fund?scope=agent:x&unit=TOKENS&tenant_id=acme",
        "/v1/admin/budgets/fund?scope=tenant:acme&scope=tenant:acme&unit=TOKENS&tenant_id=acme",
    ] {
        service
            .post(path, &[admin()], &fund("f", "CREDIT", 1))
            .await
            .refused(400, "INVALID_REQUEST");
    }
    assert_eq!(service.ledger(), before);
}

#[tokio::test]
async fn malformed_provisioning_is_refused() {
    let service = Service::new();
    for (path, body) in [
        ("/v1/admin/tenants", json!({})),
        ("/v1/admin/tenants", json!({"tenant_id": "ab", "name": "x"})),
        ("/v1/admin/tenants", json!({"tenant_id": "Upper", "name": "x"})),
        ("/v1/admin/tenants", json!({"tenant_id": "fine", "name": "x", "plan": "gold"})),
        ("/v1/admin/api-keys", json!({"tenant_id": "acme"})),
        ("/v1/admin/api-keys", json!({"tenant_id": "nobody", "name": "x"})),
        ("/v1/admin/api-keys", json!({"tenant_id": "acme", "name": "x", "permissions": ["fly"]})),
        ("/v1/admin/budgets", json!({"tenant_id": "acme", "scope": "tenant:acme/agent:x"})),
        ("/v1/admin/budgets", budget(Some("acme"), "agent:x")),
    ] {
        let reply = service.post(path, &[admin()], &body).await;
        assert_eq!(reply.status, 400, "{path} {body}: {reply:?}");
        reply.refused(400, "INVALID_REQUEST");
    }
    let mut mixed = budget(Some("acme"), "tenant:acme/agent:x");
    mixed["allocated"]["unit"] = json!("CREDITS");
    let reply = service.post("/v1/admin/budgets", &[admin()], &mixed).await;
    reply.refused(400, "UNIT_MISMATCH");
    let missing = "/v1/admin/budgets/lookup?scope=tenant:acme/agent:none&unit=TOKENS";
    service.get(missing, &[admin()]).await.refused(404, "BUDGET_NOT_FOUND");
}

#[tokio::test]
async fn a_tenant_is_changed_suspended_and_closed() {
    let service = Service::new();
    let secret = provision(&service).await;
    let corp = [("x-cycles-api-key", secret.as_str())];
    let path = "/v1/admin/tenants/corp";
    let change = async |body: Value| {
        let method = axum::http::Method::PATCH;
        service.send(method, path, &[admin()], body.to_string()).await
    };
    let reply = change(json!({"max_reservation_extensions": 0, "metadata": {"plan": "pro"}})).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(service.get(path, &[admin()]).await.body, reply.body);
    assert_eq!(reply.body["metadata"], json!({"plan": "pro"}));

    assert_eq!(change(json!({"status": "SUSPENDED"})).await.body["status"], "SUSPENDED");
    let refused = service.post("/v1/reservations", &corp, &reserve("a", 1)).await;
    assert!(refused.status.is_client_error(), "{refused:?}");
    assert_eq!(change(json!({"status": "ACTIVE"})).await.status, 200);
    assert_eq!(service.post("/v1/reservations", &corp, &reserve("b", 1)).await.status, 200);

    for (body, field) in [
        (json!({"status": "OPEN"}), "status"),
        (json!({"status": null}), "status"),
        (json!({"tenant_id": "other"}), "tenant_id"),
        (json!({"max_reservation_extensions": -1}), "max_reservation_extensions"),
    ] {
        let reply = change(body).await;
        reply.refused(400, "INVALID_REQUEST");
        assert!(reply.body["message"].as_str().unwrap().contains(field), "{reply:?}");
    }
    let own = service.send(axum::http::Method::PATCH, path, &corp, "{}").await;
    own.refused(401, "UNAUTHORIZED");
    service.get("/v1/admin/tenants/nobody", &[admin()]).await.refused(404, "TENANT_NOT_FOUND");

    let closed = change(json!({"status": "CLOSED"})).await;
    assert_eq!((closed.status.as_u16(), &closed.body["status"]), (200, &json!("CLOSED")));
    assert_eq!(change(json!({"status": "CLOSED"})).await.body, closed.body, "again is no change");
    change(json!({"status": "ACTIVE"})).await.refused(409, "TENANT_CLOSED");
    service.post("/v1/reservations", &corp, &reserve("c", 1)).await.refused(401, "UNAUTHORIZED");
    let lookup = format!("/v1/admin/budgets/lookup?{BUDGET}");
    let budget = service.get(&lookup, &[admin()]).await.body;
    assert_eq!((&budget["status"], &budget["reserved"]["amount"]), (&json!("CLOSED"), &json!(0)));
}
