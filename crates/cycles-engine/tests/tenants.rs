//! Tenants that are changed, suspended and closed.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use cycles_engine::Engine;
use cycles_protocol::control::{
    ApiKeyCreateRequest, ApiKeyListParams, ApiKeyStatus, AuditLogEntry, AuditLogParams,
    BudgetCreateRequest, BudgetFundingRequest, BudgetPeriod, BudgetRef, BudgetStatus,
    FundingOperation, PolicyCreateRequest, Tenant, TenantStatus, TenantUpdateRequest,
};
use cycles_protocol::{
    Amount, Authority, Call, CommitOveragePolicy, Control, Error, ErrorCode, Principal,
    ReleaseRequest, ReservationId, ReservationStatus, Unit,
};
use fixture::{SEED, amounts, budget, call, client, create, now, refused, start};

fn to(status: TenantStatus) -> TenantUpdateRequest {
    TenantUpdateRequest { status: Some(status), ..TenantUpdateRequest::default() }
}

fn update(engine: &Engine, request: TenantUpdateRequest) -> Result<Tenant, Error> {
    engine.update_tenant(&call(), "acme", request)
}

fn close(engine: &Engine) -> Tenant {
    update(engine, to(TenantStatus::Closed)).unwrap()
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> (ErrorCode, Option<u16>) {
    let error = result.unwrap_err();
    (error.code(), error.status())
}

fn acme() -> BudgetRef {
    BudgetRef::new("tenant:acme", Unit::Tokens).unwrap()
}

fn operator() -> Call {
    call().by(Principal::Admin)
}

fn detail(engine: &Engine, id: &ReservationId) -> cycles_protocol::ReservationDetail {
    now(engine.get_reservation(&operator(), id)).unwrap().value
}

/// The audit log, the oldest first, as kind and resource.
fn audit(engine: &Engine) -> Vec<AuditLogEntry> {
    let mut logs = engine.list_audit_logs(&AuditLogParams::default()).unwrap().logs;
    logs.reverse();
    logs
}

#[test]
fn what_is_not_given_stays_and_settings_hold_from_then_on() {
    let (engine, clock) = start(SEED);
    let before = engine.get_tenant("acme").unwrap();
    clock.advance(1_000);
    let request = TenantUpdateRequest {
        name: Some("Acme Inc.".into()),
        default_reservation_ttl_ms: Some(5_000),
        default_commit_overage_policy: Some(CommitOveragePolicy::Reject),
        ..TenantUpdateRequest::default()
    };
    let after = update(&engine, request.clone()).unwrap();
    let mut expected = before;
    expected.name = "Acme Inc.".into();
    expected.default_reservation_ttl_ms = Some(5_000);
    expected.default_commit_overage_policy = Some(CommitOveragePolicy::Reject);
    expected.updated_at = Some("2027-01-15T08:00:01Z".into());
    assert_eq!(after, expected);
    clock.advance(1_000);
    assert_eq!(update(&engine, request).unwrap(), expected, "so already: nothing changes");
    assert_eq!(engine.get_tenant("acme").unwrap(), expected);

    let id = client(&engine).hold(10);
    let row = detail(&engine, &id);
    assert_eq!(row.expires_at_ms - row.created_at_ms, 5_000);
    refused(client(&engine).commit(&id, 11), ErrorCode::BudgetExceeded);
}

#[test]
fn what_cannot_be_is_refused_with_its_field() {
    let (engine, _) = start(SEED);
    let empty = TenantUpdateRequest::default;
    for (request, field) in [
        (to(TenantStatus::Unknown), "status"),
        (
            TenantUpdateRequest { default_reservation_ttl_ms: Some(999), ..empty() },
            "default_reservation_ttl_ms",
        ),
        (
            TenantUpdateRequest { max_reservation_ttl_ms: Some(86_400_001), ..empty() },
            "max_reservation_ttl_ms",
        ),
        (
            TenantUpdateRequest { max_reservation_extensions: Some(-1), ..empty() },
            "max_reservation_extensions",
        ),
        (TenantUpdateRequest { name: Some("n".repeat(257)), ..empty() }, "name"),
    ] {
        let error = update(&engine, request).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        assert!(error.message().contains(field), "{field}: {}", error.message());
    }
    for id in ["nobody", "ACME", ""] {
        let missing = engine.update_tenant(&call(), id, empty());
        assert_eq!(code(missing), (ErrorCode::TenantNotFound, Some(404)), "{id}");
        assert_eq!(code(engine.get_tenant(id)), (ErrorCode::TenantNotFound, Some(404)), "{id}");
    }
    assert!(audit(&engine).is_empty(), "nothing was changed");
}

#[test]
fn a_suspended_tenant_settles_what_it_holds_and_starts_nothing() {
    let (engine, _) = start(SEED);
    let id = client(&engine).hold(10);
    let suspended = update(&engine, to(TenantStatus::Suspended)).unwrap();
    assert!(suspended.suspended_at.is_some() && suspended.closed_at.is_none());
    assert!(client(&engine).reserve(create(1)).is_err());
    client(&engine).commit(&id, 7).unwrap();
    let active = update(&engine, to(TenantStatus::Active)).unwrap();
    assert_eq!(active.suspended_at, None);
    client(&engine).hold(1);
}

#[test]
fn closing_ends_all_that_the_tenant_owns_at_once() {
    let (engine, clock) = start(SEED);
    let first = client(&engine).hold(10);
    let spent = client(&engine).hold(20);
    client(&engine).commit(&spent, 15).unwrap();
    let second = client(&engine).hold(30);
    let before = budget(&engine, "tenant:acme");
    let period = BudgetPeriod::new(cycles_protocol::control::PeriodLength::Day);
    engine.set_budget_period(&acme(), Some(period)).unwrap();
    clock.advance(1_000);
    let closed = close(&engine);
    assert_eq!(closed.closed_at.as_deref(), Some("2027-01-15T08:00:01Z"));

    for id in [&first, &second] {
        let row = detail(&engine, id);
        assert_eq!(row.status, ReservationStatus::Released);
        assert_eq!(row.finalized_at_ms, Some(fixture::START + 1_000));
    }
    let after = budget(&engine, "tenant:acme");
    assert_eq!((after.status, after.reserved.amount), (BudgetStatus::Closed, 0));
    assert_eq!(after.spent, before.spent);
    assert_eq!(after.remaining.amount, before.remaining.amount + 40);
    let keys = engine.list_api_keys(&ApiKeyListParams::default()).unwrap().keys;
    let mut its = keys.iter().filter(|key| key.tenant_id == "acme");
    assert!(its.all(|key| key.status == ApiKeyStatus::Revoked && key.revoked_at.is_some()));
    assert_eq!(code(engine.authenticate(fixture::SECRET)).0, ErrorCode::Unauthorized);

    // Days go by, and nothing begins anew or is given back twice.
    clock.advance(3 * 86_400_000);
    engine.sweep();
    assert_eq!(budget(&engine, "tenant:acme"), after);
    assert_eq!(detail(&engine, &first).status, ReservationStatus::Released);
}

#[test]
fn the_audit_log_tells_of_every_object_under_one_correlation() {
    let (engine, _) = start(SEED);
    client(&engine).hold(10);
    client(&engine).hold(30);
    close(&engine);
    let log = audit(&engine);
    let kinds: Vec<_> =
        log.iter().map(|entry| entry.metadata["event_kind"].as_str().unwrap()).collect();
    let count = |kind: &str| kinds.iter().filter(|known| **known == kind).count();
    let budgets = engine.list_budgets(&cycles_protocol::control::BudgetListParams::default());
    let its = budgets.unwrap().ledgers.iter().filter(|it| it.tenant_id == "acme").count();
    assert_eq!(count("budget.closed_via_tenant_cascade"), its);
    assert_eq!(kinds.last(), Some(&"tenant.closed"));
    assert!(count("api_key.revoked_via_tenant_cascade") > 0);
    let released: Vec<_> = log.iter().filter_map(|entry| entry.amount).collect();
    assert_eq!(released, [Amount::tokens(40)], "one for each budget, with what came back");
    let correlation = &log[0].metadata["correlation_id"];
    assert!(correlation.as_str().unwrap().starts_with("tenant_close_cascade:acme:"));
    assert!(log.iter().all(|entry| entry.metadata["correlation_id"] == *correlation));

    close(&engine);
    assert_eq!(audit(&engine).len(), log.len(), "again it is no change");
}

#[test]
fn nothing_of_a_closed_tenant_can_be_changed_and_all_can_be_read() {
    let (engine, _) = start(SEED);
    let id = client(&engine).hold(10);
    let key_id = engine.list_api_keys(&ApiKeyListParams::default()).unwrap().keys[0].key_id.clone();
    close(&engine);
    let closed = (ErrorCode::TenantClosed, Some(409));
    let funding = BudgetFundingRequest {
        operation: FundingOperation::Credit,
        amount: Amount::tokens(1),
        spent: None,
        reason: None,
        idempotency_key: None,
        metadata: None,
    };
    let tokens = BudgetCreateRequest {
        tenant_id: None,
        scope: "tenant:acme/agent:new".into(),
        unit: Unit::Tokens,
        allocated: Amount::tokens(1),
        overdraft_limit: None,
        commit_overage_policy: None,
        rollover_policy: None,
        period_start: None,
        period_end: None,
        metadata: None,
    };
    let key = ApiKeyCreateRequest {
        tenant_id: "acme".into(),
        name: "k".into(),
        ..ApiKeyCreateRequest::default()
    };
    let policy = PolicyCreateRequest {
        tenant_id: Some("acme".into()),
        name: "p".into(),
        scope_pattern: "tenant:acme".into(),
        ..PolicyCreateRequest::default()
    };
    let release = ReleaseRequest::new(None);
    assert_eq!(code(engine.fund_budget(&acme(), funding)), closed);
    assert_eq!(code(engine.set_budget_frozen(&acme(), true)), closed);
    assert_eq!(code(engine.set_budget_period(&acme(), None)), closed);
    assert_eq!(code(engine.create_budget(tokens)), closed);
    assert_eq!(code(engine.create_api_key(key)), closed);
    assert_eq!(code(engine.revoke_api_key(&key_id, None)), closed);
    assert_eq!(code(engine.create_policy(policy)), closed);
    assert_eq!(code(now(engine.release(&operator(), &id, release))), closed);
    assert_eq!(code(update(&engine, to(TenantStatus::Active))), closed);
    let renamed = TenantUpdateRequest { name: Some("x".into()), ..to(TenantStatus::Closed) };
    assert_eq!(code(update(&engine, renamed)), closed);

    assert_eq!(engine.get_tenant("acme").unwrap().status, TenantStatus::Closed);
    assert_eq!(detail(&engine, &id).status, ReservationStatus::Released);
    assert_eq!(amounts(&engine).1, 0, "nothing is held");
}
