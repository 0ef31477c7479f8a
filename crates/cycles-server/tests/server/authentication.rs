//! Who may call what, and that the key is checked before anything else.

use crate::support::{ADMIN_KEY, Service, acme, admin, reservation};
use axum::http::Method;
use serde_json::json;

const RUNTIME: [(&str, &str); 9] = [
    ("POST", "/v1/reservations"),
    ("GET", "/v1/reservations?tenant=acme"),
    ("GET", "/v1/reservations/rsv_none"),
    ("POST", "/v1/reservations/rsv_none/commit"),
    ("POST", "/v1/reservations/rsv_none/release"),
    ("POST", "/v1/reservations/rsv_none/extend"),
    ("POST", "/v1/decide"),
    ("POST", "/v1/events"),
    ("GET", "/v1/balances?tenant=acme"),
];

const ADMIN_ONLY: [(&str, &str); 4] = [
    ("POST", "/v1/admin/tenants"),
    ("POST", "/v1/admin/api-keys"),
    ("POST", "/v1/admin/budgets/freeze?scope=tenant:acme&unit=TOKENS"),
    ("POST", "/v1/admin/budgets/unfreeze?scope=tenant:acme&unit=TOKENS"),
];

const EITHER: [(&str, &str); 3] = [
    ("POST", "/v1/admin/budgets"),
    ("POST", "/v1/admin/budgets/fund?scope=tenant:acme&unit=TOKENS&tenant_id=acme"),
    ("GET", "/v1/admin/budgets/lookup?scope=tenant:acme&unit=TOKENS"),
];

async fn call(
    service: &Service,
    endpoint: (&str, &str),
    headers: &[(&str, &str)],
) -> crate::support::Reply {
    let method = Method::from_bytes(endpoint.0.as_bytes()).unwrap();
    // Malformed on purpose: a missing key must be noticed first.
    let body = if method == Method::POST { "{" } else { "" };
    service.send(method, endpoint.1, headers, body).await
}

#[tokio::test]
async fn missing_and_wrong_keys_are_401_everywhere_before_the_body_is_read() {
    let service = Service::new();
    let wrong: [&[(&str, &str)]; 5] = [
        &[],
        &[("x-cycles-api-key", "")],
        &[("x-cycles-api-key", "cyc_test_wrong")],
        &[("x-cycles-api-key", "caf\u{e9}")],
        &[acme(), acme()],
    ];
    for endpoint in RUNTIME.into_iter().chain(EITHER) {
        for headers in wrong {
            call(&service, endpoint, headers).await.refused(401, "UNAUTHORIZED");
        }
    }
    for endpoint in ADMIN_ONLY.into_iter().chain(EITHER) {
        for headers in [
            &[][..],
            &[("x-admin-api-key", "")],
            &[("x-admin-api-key", "wrong")],
            &[("x-admin-api-key", &ADMIN_KEY[..4])],
            &[admin(), admin()],
        ] {
            call(&service, endpoint, headers).await.refused(401, "UNAUTHORIZED");
        }
    }
}

#[tokio::test]
async fn a_tenants_key_does_not_open_admin_endpoints() {
    let service = Service::new();
    for endpoint in ADMIN_ONLY {
        call(&service, endpoint, &[acme()]).await.refused(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn the_admin_key_opens_three_runtime_operations() {
    let service = Service::new();
    let id = service.reserve(10).await;
    for endpoint in RUNTIME {
        let opened = endpoint.1.starts_with("/v1/reservations?")
            || endpoint.1.ends_with("/rsv_none")
            || endpoint.1.ends_with("/release");
        let status = call(&service, endpoint, &[admin()]).await.status;
        assert_eq!(status != 401, opened, "{endpoint:?} {status}");
    }
    assert_eq!(service.get("/v1/reservations?tenant=acme", &[admin()]).await.status, 200);
    service.get("/v1/reservations", &[admin()]).await.refused(400, "INVALID_REQUEST");
    assert_eq!(service.get(&format!("/v1/reservations/{id}"), &[admin()]).await.status, 200);
    let release = json!({"idempotency_key": "r"});
    let path = format!("/v1/reservations/{id}/release");
    let reply = service.post(&path, &[admin()], &release).await;
    assert_eq!((reply.status.as_u16(), &reply.body["status"]), (200, &json!("RELEASED")));
}

#[tokio::test]
async fn a_wrong_admin_key_is_not_saved_by_a_good_tenants_key() {
    let service = Service::new();
    let both = [acme(), ("x-admin-api-key", "wrong")];
    service.get("/v1/reservations", &both).await.refused(401, "UNAUTHORIZED");
    // Where the admin key opens nothing it is not looked at.
    assert_eq!(service.get("/v1/balances?tenant=acme", &both).await.status, 200);
}

#[tokio::test]
async fn authenticated_answers_name_the_tenant() {
    let service = Service::new();
    let good = service.post("/v1/reservations", &[acme()], &reservation("k", 10)).await;
    assert_eq!(good.header("x-cycles-tenant"), "acme");
    let refused = service.post("/v1/reservations", &[acme()], &reservation("l", 100_000)).await;
    refused.refused(409, "BUDGET_EXCEEDED");
    assert_eq!(refused.header("x-cycles-tenant"), "acme");
    assert_eq!(service.get("/v1/balances?tenant=acme", &[]).await.header("x-cycles-tenant"), "");
}

#[tokio::test]
async fn tenants_do_not_see_each_other() {
    let service = Service::new();
    let id = service.reserve(10).await;
    let before = service.ledger();
    let other = [("x-cycles-api-key", "cyc_test_other")];
    let body = reservation("o", 10);
    service.post("/v1/reservations", &other, &body).await.refused(403, "FORBIDDEN");
    service.get("/v1/balances?tenant=acme", &other).await.refused(403, "FORBIDDEN");
    service.get(&format!("/v1/reservations/{id}"), &other).await.refused(403, "FORBIDDEN");
    let path = format!("/v1/reservations/{id}/release");
    let release = json!({"idempotency_key": "r"});
    service.post(&path, &other, &release).await.refused(403, "FORBIDDEN");
    let lookup = "/v1/admin/budgets/lookup?scope=tenant:acme&unit=TOKENS";
    service.get(lookup, &other).await.refused(403, "FORBIDDEN");
    assert_eq!(service.ledger(), before);
}
