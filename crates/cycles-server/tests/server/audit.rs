//! What operators do on a tenant's behalf is in the audit log.

use crate::support::{Service, acme, admin, reservation};
use serde_json::{Value, json};

const LOGS: &str = "/v1/admin/audit/logs";

async fn reserve(service: &Service, key: &str, amount: i64) -> String {
    let reply = service.post("/v1/reservations", &[acme()], &reservation(key, amount)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body["reservation_id"].as_str().unwrap().to_owned()
}

async fn logs(service: &Service, query: &str) -> Vec<Value> {
    let reply = service.get(&format!("{LOGS}?{query}"), &[admin()]).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body["logs"].as_array().unwrap().clone()
}

// spec: releaseReservation, AUDIT (NORMATIVE, AdminKeyAuth path)
#[tokio::test]
async fn an_operators_release_is_recorded_and_a_tenants_is_not() {
    let service = Service::new();
    let by_operator = reserve(&service, "a", 3).await;
    let by_tenant = reserve(&service, "b", 4).await;
    let body = json!({"idempotency_key": "k", "reason": "[INCIDENT_FORCE_RELEASE] a\r\nb"});
    let path = format!("/v1/reservations/{by_operator}/release");
    let released = service.post(&path, &[admin()], &body).await;
    assert_eq!(released.status, 200, "{released:?}");
    let body = json!({"idempotency_key": "k"});
    let path = format!("/v1/reservations/{by_tenant}/release");
    assert_eq!(service.post(&path, &[acme()], &body).await.status, 200);

    let entries = logs(&service, "tenant_id=acme").await;
    let [entry] = &entries[..] else { panic!("one entry: {entries:?}") };
    assert_eq!(entry["operation"], "releaseReservation");
    assert_eq!(
        (&entry["resource_type"], &entry["resource_id"]),
        (&json!("reservation"), &json!(by_operator))
    );
    assert_eq!(entry["metadata"]["actor_type"], "admin_on_behalf_of");
    assert_eq!(entry["metadata"]["reason"], "[INCIDENT_FORCE_RELEASE] a  b");
    assert_eq!(entry["amount"], json!({"unit": "TOKENS", "amount": 3}));
    assert_eq!(entry["request_id"], released.header("x-request-id"));
    assert_eq!(entry["trace_id"], released.header("x-cycles-trace-id"));
    assert_eq!(entry["status"], 200);
}

#[tokio::test]
async fn a_refused_release_is_recorded_with_its_code() {
    let service = Service::new();
    let id = service.reserve(3).await;
    let path = format!("/v1/reservations/{id}/release");
    for (key, status) in [("a", 200), ("b", 409)] {
        let body = json!({"idempotency_key": key});
        assert_eq!(service.post(&path, &[admin()], &body).await.status, status);
    }
    let entries = logs(&service, "error_code=RESERVATION_FINALIZED&status_min=400").await;
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (&entries[0]["status"], &entries[0]["error_code"]),
        (&json!(409), &json!("RESERVATION_FINALIZED"))
    );
    assert_eq!(logs(&service, "status=200").await.len(), 1);
}

#[tokio::test]
async fn the_log_is_paged_newest_first_and_is_the_operators() {
    let service = Service::new();
    let mut ids = Vec::new();
    for key in ["a", "b", "c", "d", "e"] {
        let id = reserve(&service, key, 1).await;
        let path = format!("/v1/reservations/{id}/release");
        service.post(&path, &[admin()], &json!({"idempotency_key": "k"})).await;
        ids.insert(0, json!(id));
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let reply = service.get(&format!("{LOGS}?limit=2&cursor={cursor}"), &[admin()]).await;
        let page = reply.body["logs"].as_array().unwrap();
        seen.extend(page.iter().map(|entry| entry["resource_id"].clone()));
        match reply.body["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ids);
    let other = service.get(&format!("{LOGS}?status=200&cursor={cursor}"), &[admin()]).await;
    other.refused(400, "INVALID_REQUEST");
    service.get(LOGS, &[acme()]).await.refused(401, "UNAUTHORIZED");
    service.get(&format!("{LOGS}?status=99"), &[admin()]).await.refused(400, "INVALID_REQUEST");
}
