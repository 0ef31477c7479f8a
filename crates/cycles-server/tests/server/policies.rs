//! Policies over HTTP.

use crate::support::{Service, acme, admin, reservation};
use serde_json::{Value, json};

const POLICIES: &str = "/v1/admin/policies";

fn policy(name: &str, scope_pattern: &str) -> Value {
    json!({"name": name, "scope_pattern": scope_pattern, "caps": {"max_tokens": 5}})
}

fn of(tenant_id: &str, mut policy: Value) -> Value {
    policy["tenant_id"] = json!(tenant_id);
    policy
}

#[tokio::test]
async fn a_policy_caps_what_its_tenant_reserves() {
    let service = Service::new();
    let body = json!({
        "tenant_id": "acme",
        "name": "Engineering default policy",
        "description": "for tests",
        "scope_pattern": "tenant:acme",
        "priority": 10,
        "caps": {"max_tokens": 4096, "max_steps_remaining": 10},
        "commit_overage_policy": "REJECT",
        "reservation_ttl_override": {"default_ttl_ms": 5000},
        "effective_from": "2026-01-01T00:00:00Z",
        "effective_until": "2999-01-01T00:00:00Z",
    });
    let reply = service.post(POLICIES, &[admin()], &body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert!(reply.body["policy_id"].as_str().unwrap().starts_with("pol_"));
    assert!(reply.body["created_at"].is_string());
    assert_eq!(reply.body["status"], "ACTIVE");
    assert!(reply.body.get("tenant_id").is_none(), "the schema has no such field");
    for field in body.as_object().unwrap().keys().filter(|field| *field != "tenant_id") {
        assert_eq!(reply.body[field], body[field], "{field}");
    }

    let reply = service.post("/v1/reservations", &[acme()], &reservation("r", 1)).await;
    assert_eq!(
        (&reply.body["decision"], &reply.body["caps"]),
        (&json!("ALLOW_WITH_CAPS"), &body["caps"]),
        "{reply:?}"
    );
    let other = [("x-cycles-api-key", "cyc_test_other")];
    let mut foreign = reservation("r", 1);
    foreign["subject"]["tenant"] = json!("other");
    let reply = service.post("/v1/reservations", &other, &foreign).await;
    assert_eq!(reply.body["decision"], "ALLOW", "{reply:?}");
    assert!(reply.body.get("caps").is_none());
}

#[tokio::test]
async fn tenants_make_policies_only_for_themselves() {
    let service = Service::new();
    let reply = service.post(POLICIES, &[acme()], &policy("own", "agent:*")).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(reply.header("x-cycles-tenant"), "acme");
    let named = of("acme", policy("named", "tenant:acme/*"));
    service.post(POLICIES, &[acme()], &named).await.refused(400, "INVALID_REQUEST");
    let foreign = policy("foreign", "tenant:other/*");
    service.post(POLICIES, &[acme()], &foreign).await.refused(403, "FORBIDDEN");
    let again = policy("own", "tenant:acme");
    service.post(POLICIES, &[acme()], &again).await.refused(409, "DUPLICATE_RESOURCE");

    let reader = [("x-cycles-api-key", "cyc_test_reader")];
    let refused = service.post(POLICIES, &reader, &policy("p", "agent:x")).await;
    refused.refused(403, "INSUFFICIENT_PERMISSIONS");
    let bot = [("x-cycles-api-key", "cyc_test_bot")]; // agent:bot only
    for pattern in ["agent:*", "*", "tenant:acme/*", "tenant:acme", "agent:two"] {
        service.post(POLICIES, &bot, &policy("p", pattern)).await.refused(403, "FORBIDDEN");
    }
    for (name, pattern) in [("a", "agent:bot"), ("b", "tenant:acme/agent:bot/*")] {
        assert_eq!(service.post(POLICIES, &bot, &policy(name, pattern)).await.status, 201);
    }
}

#[tokio::test]
async fn malformed_policies_are_refused() {
    let service = Service::new();
    service.post(POLICIES, &[], &policy("p", "*")).await.refused(401, "UNAUTHORIZED");
    for body in [
        policy("p", "*"),
        of("nobody", policy("p", "*")),
        of("other", policy("p", "tenant:acme/*")),
        of("acme", json!({"name": "p"})),
        of("acme", json!({"scope_pattern": "*"})),
        of("acme", policy("p", "acme")),
        of("acme", json!({"name": "p", "scope_pattern": "*", "priority": -1})),
        of("acme", json!({"name": "p", "scope_pattern": "*", "effective_from": "soon"})),
        of("acme", json!({"name": "p", "scope_pattern": "*", "status": "ACTIVE"})),
        of(
            "acme",
            json!({"name": "p", "scope_pattern": "*", "caps": {"at_utilization": 80, "max_tokens": 5}}),
        ),
        of(
            "acme",
            json!({"name": "p", "scope_pattern": "*", "rate_limits": {"max_commits_per_minute": 5}}),
        ),
    ] {
        service.post(POLICIES, &[admin()], &body).await.refused(400, "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn a_refusal_hints_in_its_details_and_in_no_header() {
    let service = Service::new();
    service.reserve(1000).await;
    let reply = service.post("/v1/reservations", &[acme()], &reservation("s", 1)).await;
    reply.refused(409, "BUDGET_EXCEEDED");
    let wait = reply.body["details"]["retry_after_ms"].as_i64().unwrap();
    assert!((1..=65_001).contains(&wait), "{wait}");
    assert_eq!(reply.header("retry-after"), "");
}
