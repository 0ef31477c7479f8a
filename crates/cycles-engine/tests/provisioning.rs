//! Tenants, keys, budgets and funding.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use cycles_protocol::control::{
    ApiKeyCreateRequest, BudgetCreateRequest, BudgetFundingRequest, BudgetRef, BudgetStatus,
    Created, FundingOperation, TenantCreateRequest,
};
use cycles_protocol::{
    Amount, CommitOveragePolicy, Control, Error, ErrorCode, Permission, Principal, Unit,
};
use fixture::{Client, budget, client, create, create_with, start};

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> (ErrorCode, Option<u16>) {
    let error = result.unwrap_err();
    (error.code(), error.status())
}

fn tenant(tenant_id: &str, name: &str) -> TenantCreateRequest {
    TenantCreateRequest {
        tenant_id: tenant_id.into(),
        name: name.into(),
        ..TenantCreateRequest::default()
    }
}

fn key(tenant_id: &str) -> ApiKeyCreateRequest {
    ApiKeyCreateRequest {
        tenant_id: tenant_id.into(),
        name: "k".into(),
        ..ApiKeyCreateRequest::default()
    }
}

fn tokens(scope: &str, allocated: i64) -> BudgetCreateRequest {
    BudgetCreateRequest {
        tenant_id: None,
        scope: scope.into(),
        unit: Unit::Tokens,
        allocated: Amount::tokens(allocated),
        overdraft_limit: None,
        commit_overage_policy: None,
        rollover_policy: None,
        period_start: None,
        period_end: None,
        metadata: None,
    }
}

fn acme() -> BudgetRef {
    BudgetRef::new("tenant:acme", Unit::Tokens).unwrap()
}

fn funding(operation: FundingOperation, amount: i64) -> BudgetFundingRequest {
    BudgetFundingRequest {
        operation,
        amount: Amount::tokens(amount),
        spent: None,
        reason: None,
        idempotency_key: None,
        metadata: None,
    }
}

#[test]
fn a_tenant_is_created_once() {
    let (engine, _) = start("{}");
    let made = engine.create_tenant(tenant("new-one", "New")).unwrap();
    let Created::New(made) = made else { panic!("it is new") };
    assert_eq!(made.created_at, "2027-01-15T08:00:00Z");
    assert_eq!(engine.create_tenant(tenant("new-one", "New")).unwrap(), Created::Existing(made));
    let other = engine.create_tenant(tenant("new-one", "Other"));
    assert_eq!(code(other), (ErrorCode::DuplicateResource, Some(409)));
    assert_eq!(
        code(engine.create_tenant(tenant("No", ""))),
        (ErrorCode::InvalidRequest, Some(400))
    );
}

#[test]
fn a_key_works_until_it_expires() {
    let (engine, clock) = start(fixture::SEED);
    let made = engine.create_api_key(key("acme")).unwrap();
    assert!(made.key_secret.starts_with("cyc_live_") && made.key_secret.len() == 9 + 43);
    assert!(made.key_secret.starts_with(&made.key_prefix));
    assert_eq!(made.permissions, Permission::DEFAULT);
    let principal = engine.authenticate(&made.key_secret).unwrap();
    assert!(matches!(principal, Principal::Tenant { tenant_id, .. } if *tenant_id == *"acme"));
    Client(engine.local(&made.key_secret)).hold(1);
    clock.advance(90 * 24 * 60 * 60 * 1_000);
    assert!(engine.authenticate(&made.key_secret).is_ok());
    clock.advance(1);
    assert_eq!(code(engine.authenticate(&made.key_secret)).1, Some(401));
    assert!(!format!("{engine:?}").contains(&made.key_secret));
}

#[test]
fn keys_that_make_no_sense_are_refused() {
    let (engine, _) = start(fixture::SEED);
    let with = |change: &dyn Fn(&mut ApiKeyCreateRequest)| {
        let mut request = key("acme");
        change(&mut request);
        code(engine.create_api_key(request))
    };
    let invalid = (ErrorCode::InvalidRequest, Some(400));
    assert_eq!(with(&|k| k.tenant_id = "nobody".into()), invalid);
    assert_eq!(with(&|k| k.permissions = Some(vec!["reservations:all".into()])), invalid);
    assert_eq!(with(&|k| k.permissions = Some(vec!["admin:write".into()])), invalid);
    assert_eq!(with(&|k| k.permissions = Some(vec!["UNKNOWN".into()])), invalid);
    assert_eq!(with(&|k| k.scope_filter = Some(vec!["team:x".into()])), invalid);
    assert_eq!(with(&|k| k.expires_at = Some("tomorrow".into())), invalid);
    assert_eq!(with(&|k| k.expires_at = Some("2020-01-01T00:00:00Z".into())), invalid);
}

#[test]
fn a_scope_has_one_budget_per_unit() {
    let (engine, _) = start(fixture::SEED);
    let made = engine.create_budget(tokens("tenant:acme/agent:Bot", 5)).unwrap();
    assert_eq!((made.scope.as_str(), made.tenant_id.as_str()), ("tenant:acme/agent:bot", "acme"));
    let again = engine.create_budget(tokens("tenant:acme/agent:bot", 5));
    assert_eq!(code(again), (ErrorCode::DuplicateResource, Some(409)));
    let credits = BudgetCreateRequest {
        unit: Unit::Credits,
        allocated: Amount::credits(5),
        ..tokens("tenant:acme/agent:bot", 5)
    };
    assert!(engine.create_budget(credits).is_ok());
    let elsewhere = BudgetCreateRequest {
        tenant_id: Some("globex".into()),
        ..tokens("tenant:acme/agent:c", 5)
    };
    assert_eq!(code(engine.create_budget(elsewhere)), (ErrorCode::InvalidRequest, Some(400)));
    assert_eq!(
        code(engine.create_budget(tokens("tenant:nobody", 5))),
        (ErrorCode::TenantNotFound, Some(404))
    );
    assert_eq!(code(engine.create_budget(tokens("agent:x", 5))).0, ErrorCode::InvalidRequest);
    let missing = BudgetRef::new("tenant:acme/app:x", Unit::Tokens).unwrap();
    assert_eq!(code(engine.get_budget(&missing)), (ErrorCode::BudgetNotFound, Some(404)));
}

#[test]
fn funding_is_safe_to_repeat_per_budget() {
    let (engine, _) = start(fixture::SEED);
    let with_key = |amount| BudgetFundingRequest {
        idempotency_key: Some("k".into()),
        ..funding(FundingOperation::Credit, amount)
    };
    let first = engine.fund_budget(&acme(), with_key(10)).unwrap();
    assert_eq!((first.previous_allocated.amount, first.new_remaining.amount), (1_000, 1_010));
    assert_eq!(engine.fund_budget(&acme(), with_key(10)).unwrap(), first);
    assert_eq!(
        code(engine.fund_budget(&acme(), with_key(11))),
        (ErrorCode::IdempotencyMismatch, Some(409))
    );
    let globex = BudgetRef::new("tenant:globex", Unit::Tokens).unwrap();
    engine.fund_budget(&globex, with_key(11)).unwrap();
    assert_eq!(budget(&engine, "tenant:acme").allocated.amount, 1_010);
    let wrong =
        BudgetFundingRequest { amount: Amount::credits(1), ..funding(FundingOperation::Credit, 1) };
    assert_eq!(code(engine.fund_budget(&acme(), wrong)), (ErrorCode::UnitMismatch, Some(400)));
    let debit = engine.fund_budget(&acme(), funding(FundingOperation::Debit, 2_000));
    assert_eq!(code(debit), (ErrorCode::BudgetExceeded, Some(409)));
    let overflow = engine.fund_budget(&acme(), funding(FundingOperation::Credit, i64::MAX));
    assert_eq!(code(overflow), (ErrorCode::InvalidRequest, Some(400)));
}

#[test]
fn frozen_refuses_new_work_and_funding_until_unfrozen() {
    let (engine, _) = start(fixture::SEED);
    let client = client(&engine);
    let id = client.hold(10);
    assert_eq!(engine.set_budget_frozen(&acme(), true).unwrap().status, BudgetStatus::Frozen);
    assert_eq!(
        code(engine.set_budget_frozen(&acme(), true)),
        (ErrorCode::InvalidRequest, Some(409))
    );
    fixture::refused(client.reserve(create(1)), ErrorCode::BudgetFrozen);
    fixture::refused(client.event("e", 1), ErrorCode::BudgetFrozen);
    let credit = engine.fund_budget(&acme(), funding(FundingOperation::Credit, 1));
    assert_eq!(code(credit), (ErrorCode::BudgetFrozen, Some(409)));
    client.commit(&id, 10).unwrap();
    assert_eq!(engine.set_budget_frozen(&acme(), false).unwrap().status, BudgetStatus::Active);
    client.hold(1);
}

#[test]
fn the_overage_policy_is_frozen_when_the_hold_is_made() {
    let (engine, _) = start(
        "tenants: [{tenant_id: acme, default_commit_overage_policy: ALLOW_IF_AVAILABLE, default_reservation_ttl_ms: 2000, max_reservation_ttl_ms: 5000, max_reservation_extensions: 1}]
keys: [{name: a, secret: cyc_test_acme, tenant_id: acme}]
budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 100, commit_overage_policy: REJECT}]",
    );
    let client = client(&engine);
    let id = client.hold(10);
    fixture::refused(client.commit(&id, 11), ErrorCode::BudgetExceeded);
    let request = create_with("k", 10, Some(CommitOveragePolicy::AllowIfAvailable));
    let made = client.reserve(request).unwrap();
    assert_eq!(made.remaining_ttl_ms, Some(2_000));
    let id = made.reservation_id.unwrap();
    assert_eq!(client.commit(&id, 11).unwrap().charged, Amount::tokens(11));
    let mut long = create(1);
    long.ttl_ms = Some(60_000);
    let made = client.reserve(long).unwrap();
    assert_eq!(made.remaining_ttl_ms, Some(5_000));
    let id = made.reservation_id.unwrap();
    client.extend(&id, "x", 1).unwrap();
    fixture::refused(client.extend(&id, "y", 1), ErrorCode::MaxExtensionsExceeded);
}

#[test]
fn a_closed_tenant_gets_no_new_budget() {
    let (engine, _) = start("tenants: [{tenant_id: gone, status: CLOSED}]");
    let request = serde_json::from_value(serde_json::json!({
        "scope": "tenant:gone", "unit": "TOKENS", "allocated": {"unit": "TOKENS", "amount": 1},
    }));
    let error = engine.create_budget(request.unwrap()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::TenantClosed);
}
