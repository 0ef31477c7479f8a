//! Tenants that are changed and closed.

use cycles_protocol::control::{
    ApiKeyListParams, AuditLogParams, BudgetListParams, TenantListParams, TenantStatus,
    TenantUpdateRequest,
};
use cycles_protocol::{Authority, Control, Principal, ReservationId};

use crate::fixture::{Plant, call, told, wait};

/// All that tells of tenants, as text to compare.
fn all(plant: &Plant, ids: &[ReservationId]) -> Vec<String> {
    let engine = plant.engine();
    let operator = call().by(Principal::Admin);
    let mut all: Vec<_> =
        ids.iter().map(|id| told(wait(engine.get_reservation(&operator, id)))).collect();
    let json = |value: serde_json::Result<String>| value.unwrap();
    all.extend([
        json(serde_json::to_string(&engine.list_tenants(&TenantListParams::default()).unwrap())),
        json(serde_json::to_string(&engine.list_budgets(&BudgetListParams::default()).unwrap())),
        json(serde_json::to_string(&engine.list_api_keys(&ApiKeyListParams::default()).unwrap())),
        json(serde_json::to_string(&engine.list_audit_logs(&AuditLogParams::default()).unwrap())),
    ]);
    all
}

fn update(plant: &Plant, request: TenantUpdateRequest) {
    plant.engine().update_tenant(&call(), "acme", request).unwrap();
}

fn to(status: TenantStatus) -> TenantUpdateRequest {
    TenantUpdateRequest { status: Some(status), ..TenantUpdateRequest::default() }
}

#[test]
fn a_changed_tenant_is_changed_after_a_restart() {
    let mut plant = Plant::new();
    let lease =
        TenantUpdateRequest { max_reservation_extensions: Some(0), ..to(TenantStatus::Suspended) };
    update(&plant, lease);
    let before = all(&plant, &[]);
    plant.restart();
    assert_eq!(all(&plant, &[]), before);
    let refused = plant.client().reserve_told("a", 1);
    assert!(refused.contains("SUSPENDED") || refused.contains("suspended"), "{refused}");
}

#[test]
fn a_closed_tenant_is_closed_with_all_it_owns_whatever_kills_the_server() {
    let mut plant = Plant::new();
    let ids = [plant.client().hold("a", 100), plant.client().hold("b", 30)];
    plant.client().commit(&ids[1], "c", 10);
    update(&plant, to(TenantStatus::Closed));
    let before = all(&plant, &ids);
    assert!(before[0].contains("RELEASED") && before[1].contains("COMMITTED"), "{before:?}");
    let killed = plant.killed();
    plant.restart();
    assert_eq!(all(&plant, &ids), before);
    let checked = cycles_store::verify(plant.directory.path()).unwrap();
    assert!(checked.problems.is_empty(), "{:?}", checked.problems);
    // What a killed process left says the same.
    plant.stop();
    plant.directory = killed;
    plant.restart();
    assert_eq!(all(&plant, &ids), before);
}
