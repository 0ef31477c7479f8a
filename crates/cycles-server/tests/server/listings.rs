//! What was provisioned, listed; a key taken back; and budget periods.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{Reply, Service, acme, admin};

fn names(reply: &Reply, rows: &str, field: &str) -> Vec<String> {
    assert_eq!(reply.status, 200, "{reply:?}");
    let rows = reply.body[rows].as_array().unwrap();
    rows.iter().map(|row| row[field].as_str().unwrap().to_owned()).collect()
}

async fn with_budgets(service: &Service, scopes: &[&str]) {
    for scope in scopes {
        let body = json!({
            "tenant_id": "acme",
            "scope": scope,
            "unit": "TOKENS",
            "allocated": {"unit": "TOKENS", "amount": 5},
        });
        let reply = service.post("/v1/admin/budgets", &[admin()], &body).await;
        assert_eq!(reply.status, 201, "{reply:?}");
    }
}

#[tokio::test]
async fn budgets_are_paged_by_scope_and_filtered() {
    let service = Service::new();
    with_budgets(&service, &["tenant:acme/agent:bot", "tenant:acme/agent:cat"]).await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/admin/budgets?limit=1&cursor={cursor}");
        let reply = service.get(&path, &[admin()]).await;
        seen.extend(names(&reply, "ledgers", "scope"));
        match reply.body["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    let all = ["tenant:acme", "tenant:acme/agent:bot", "tenant:acme/agent:cat", "tenant:other"];
    assert_eq!(seen, all);

    for (query, expected) in [
        ("tenant_id=other", &all[3..]),
        ("scope_prefix=tenant:acme/", &all[1..3]),
        ("search=CAT", &all[2..3]),
        ("unit=CREDITS", &[]),
        ("status=ACTIVE&has_debt=false&over_limit=false&tenant_id=acme", &all[..3]),
        ("has_debt=true", &[]),
    ] {
        let reply = service.get(&format!("/v1/admin/budgets?{query}"), &[admin()]).await;
        assert_eq!(names(&reply, "ledgers", "scope"), expected, "{query}");
    }
    let foreign = service.get("/v1/admin/budgets?limit=1", &[admin()]).await;
    let cursor = foreign.body["next_cursor"].as_str().unwrap();
    let other = format!("/v1/admin/budgets?tenant_id=acme&cursor={cursor}");
    service.get(&other, &[admin()]).await.refused(400, "INVALID_REQUEST");
    let sorted = format!("/v1/admin/budgets?sort_by=debt&cursor={cursor}");
    service.get(&sorted, &[admin()]).await.refused(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn a_tenants_key_sees_its_own_budgets_within_its_filter() {
    let service = Service::new();
    with_budgets(&service, &["tenant:acme/agent:bot"]).await;
    let own = service.get("/v1/admin/budgets", &[acme()]).await;
    assert_eq!(names(&own, "ledgers", "scope"), ["tenant:acme", "tenant:acme/agent:bot"]);
    let bot = [("x-cycles-api-key", "cyc_test_bot")];
    let filtered = service.get("/v1/admin/budgets", &bot).await;
    assert_eq!(names(&filtered, "ledgers", "scope"), ["tenant:acme/agent:bot"]);
    let foreign = "/v1/admin/budgets?tenant_id=other";
    service.get(foreign, &[acme()]).await.refused(403, "FORBIDDEN");
    let reader = [("x-cycles-api-key", "cyc_test_reader")];
    service.get("/v1/admin/budgets", &reader).await.refused(403, "INSUFFICIENT_PERMISSIONS");
}

#[tokio::test]
async fn tenants_are_listed_for_the_operator_only() {
    let service = Service::new();
    let reply = service.get("/v1/admin/tenants", &[admin()]).await;
    assert_eq!(names(&reply, "tenants", "tenant_id"), ["acme", "other"]);
    let reply = service.get("/v1/admin/tenants?search=OTH&status=ACTIVE", &[admin()]).await;
    assert_eq!(names(&reply, "tenants", "tenant_id"), ["other"]);
    service.get("/v1/admin/tenants", &[acme()]).await.refused(401, "UNAUTHORIZED");
    service.get("/v1/admin/tenants?status=OPEN", &[admin()]).await.refused(400, "INVALID_REQUEST");
}

#[tokio::test]
async fn a_revoked_key_is_listed_without_its_secret_and_refused_for_good() {
    let service = Service::new();
    let keys = service.get("/v1/admin/api-keys?tenant_id=acme", &[admin()]).await;
    assert_eq!(names(&keys, "keys", "name"), ["default", "reader", "bot"]);
    assert!(!keys.body.to_string().contains("cyc_test_acme"), "{keys:?}");
    let id = keys.body["keys"][0]["key_id"].as_str().unwrap().to_owned();

    let balances = "/v1/balances?tenant=acme";
    assert_eq!(service.get(balances, &[acme()]).await.status, 200);
    let path = format!("/v1/admin/api-keys/{id}?reason=leaked");
    let revoked = service.send(Method::DELETE, &path, &[admin()], "").await;
    assert_eq!(
        (revoked.status.as_u16(), &revoked.body["status"], &revoked.body["revoked_reason"]),
        (200, &json!("REVOKED"), &json!("leaked"))
    );
    assert_ne!(revoked.body["revoked_at"], Value::Null);
    service.get(balances, &[acme()]).await.refused(401, "UNAUTHORIZED");

    service.send(Method::DELETE, &path, &[admin()], "").await.refused(409, "INVALID_REQUEST");
    let missing = "/v1/admin/api-keys/key_none";
    service.send(Method::DELETE, missing, &[admin()], "").await.refused(404, "NOT_FOUND");
    let listed = service.get("/v1/admin/api-keys?status=REVOKED", &[admin()]).await;
    assert_eq!(names(&listed, "keys", "key_id"), [id]);
}

#[tokio::test]
async fn a_budget_gets_periods_and_loses_them() {
    let service = Service::new();
    let path = "/v1/x-cycles/budgets/period?scope=tenant:acme&unit=TOKENS";
    let put = |body: Value| {
        let service = &service;
        async move { service.send(Method::PUT, path, &[admin()], body.to_string()).await }
    };
    let month =
        json!({"every": "MONTH", "time_zone": "Asia/Tokyo", "rollover_policy": "CAP_AT_ALLOCATED"});
    let reply = put(month).await;
    assert_eq!(
        (reply.status.as_u16(), &reply.body["rollover_policy"]),
        (200, &json!("CAP_AT_ALLOCATED"))
    );
    assert!(reply.body["period_end"].as_str().unwrap().ends_with("T15:00:00Z"), "{reply:?}");
    put(json!({"every": "MONTH", "time_zone": "Tokyo/Asia"})).await.refused(400, "INVALID_REQUEST");
    put(json!({"every": "MONTH", "timezone": "UTC"})).await.refused(400, "INVALID_REQUEST");
    let reply = service.send(Method::DELETE, path, &[admin()], "").await;
    assert_eq!((reply.status.as_u16(), &reply.body["period_end"]), (200, &Value::Null));
    let refused = service.send(Method::PUT, path, &[acme()], "{}").await;
    refused.refused(401, "UNAUTHORIZED");
}

const USED: &str = "
tenants:
  - {tenant_id: acme, name: Zeta}
  - {tenant_id: other, name: Alpha, status: SUSPENDED}
keys:
  - {name: b, secret: cyc_test_acme, tenant_id: acme}
  - {name: a, secret: cyc_test_other, tenant_id: other}
budgets:
  - {scope: 'tenant:acme', unit: TOKENS, allocated: 100, spent: 50, debt: 2, overdraft_limit: 5}
  - {scope: 'tenant:acme/agent:a', unit: TOKENS, allocated: 3, spent: 1, status: FROZEN}
  - {scope: 'tenant:acme/agent:b', unit: CREDITS, allocated: 0, debt: 1, overdraft_limit: 5, commit_overage_policy: REJECT}
  - {scope: 'tenant:other', unit: TOKENS, allocated: 9000000000000000000, spent: 8999999999999999999}
";

/// All pages of one row each.
async fn paged(service: &Service, path: &str, rows: &str, field: &str) -> Vec<String> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let reply = service.get(&format!("{path}&limit=1&cursor={cursor}"), &[admin()]).await;
        seen.extend(names(&reply, rows, field));
        match reply.body["next_cursor"].as_str() {
            Some(next) => next.clone_into(&mut cursor),
            None => return seen,
        }
    }
}

#[tokio::test]
async fn budgets_are_sorted_by_what_the_spec_names_and_paged_in_that_order() {
    let service = Service::seeded(USED);
    let [acme, a, b, other] =
        ["tenant:acme", "tenant:acme/agent:a", "tenant:acme/agent:b", "tenant:other"];
    for (query, expected) in [
        ("sort_dir=desc", [other, b, a, acme]),
        ("sort_by=scope", [other, b, a, acme]),
        ("sort_by=scope&sort_dir=asc", [acme, a, b, other]),
        ("sort_by=utilization", [other, acme, a, b]),
        ("sort_by=utilization&sort_dir=asc", [b, a, acme, other]),
        ("sort_by=debt", [acme, b, other, a]),
        ("sort_by=tenant_id&sort_dir=asc", [acme, a, b, other]),
        ("sort_by=unit&sort_dir=asc", [b, acme, a, other]),
        ("sort_by=status&sort_dir=asc", [acme, b, other, a]),
        ("sort_by=commit_overage_policy", [b, other, a, acme]),
    ] {
        let path = format!("/v1/admin/budgets?{query}");
        assert_eq!(paged(&service, &path, "ledgers", "scope").await, expected, "{query}");
    }
    for (query, expected) in [
        ("utilization_min=0.5", &[acme, other][..]),
        ("utilization_max=0.5", &[acme, a, b]),
        ("utilization_min=0.333333333&utilization_max=0.499999999", &[a]),
        ("utilization_min=0.999999999", &[other]),
        ("utilization_min=1", &[]),
    ] {
        let path = format!("/v1/admin/budgets?sort_dir=asc&{query}");
        assert_eq!(paged(&service, &path, "ledgers", "scope").await, expected, "{query}");
    }
    for wrong in [
        "sort_by=spent",
        "sort_dir=up",
        "utilization_min=-1",
        "utilization_max=1.5",
        "utilization_min=0.6&utilization_max=0.5",
    ] {
        let reply = service.get(&format!("/v1/admin/budgets?{wrong}"), &[admin()]).await;
        reply.refused(400, "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn tenants_and_keys_are_sorted_by_what_the_spec_names() {
    let service = Service::seeded(USED);
    let later = json!({"tenant_id": "later", "name": "Middle"});
    service.post("/v1/admin/tenants", &[admin()], &later).await;
    for (query, expected) in [
        ("sort_by=tenant_id&sort_dir=asc", ["acme", "later", "other"]),
        ("sort_by=name", ["acme", "later", "other"]),
        ("sort_by=status", ["other", "later", "acme"]),
    ] {
        let path = format!("/v1/admin/tenants?{query}");
        assert_eq!(paged(&service, &path, "tenants", "tenant_id").await, expected, "{query}");
    }
    let short = json!({"tenant_id": "later", "name": "c", "expires_at": "2999-01-01T00:00:00Z"});
    let reply = service.post("/v1/admin/api-keys", &[admin()], &short).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    for (query, expected) in [
        ("sort_by=name&sort_dir=asc", ["a", "b", "c"]),
        ("sort_by=tenant_id&sort_dir=asc", ["b", "c", "a"]),
        ("sort_by=status", ["a", "c", "b"]),
        ("sort_by=expires_at&sort_dir=asc", ["c", "b", "a"]),
    ] {
        let path = format!("/v1/admin/api-keys?{query}");
        assert_eq!(paged(&service, &path, "keys", "name").await, expected, "{query}");
    }
    for path in ["tenants?sort_by=expires_at", "api-keys?sort_by=scope"] {
        let reply = service.get(&format!("/v1/admin/{path}"), &[admin()]).await;
        reply.refused(400, "INVALID_REQUEST");
    }
}
