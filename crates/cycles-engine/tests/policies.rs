//! Policies: which one counts, and what it does.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use cycles_protocol::control::{Policy, PolicyCreateRequest, PolicyStatus, ReservationTtlOverride};
use cycles_protocol::{
    Amount, Caps, CommitOveragePolicy, CommitRequest, Control, Error, ErrorCode,
    EventCreateRequest, ReservationCreateRequest,
};
use fixture::{Client, START, action, call, client, create, create_with, now, refused, start};

const SEED: &str = "
tenants: [{tenant_id: acme, default_commit_overage_policy: ALLOW_WITH_OVERDRAFT}, {tenant_id: shut, status: CLOSED}]
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets:
  - {scope: 'tenant:acme', unit: TOKENS, allocated: 1000, overdraft_limit: 1000}
  - {scope: 'tenant:acme/agent:bot', unit: TOKENS, allocated: 100, overdraft_limit: 100, commit_overage_policy: ALLOW_IF_AVAILABLE}
";

fn policy(name: &str, scope_pattern: &str) -> PolicyCreateRequest {
    PolicyCreateRequest {
        tenant_id: Some("acme".into()),
        name: name.into(),
        scope_pattern: scope_pattern.into(),
        ..PolicyCreateRequest::default()
    }
}

fn capped(name: &str, scope_pattern: &str, max_tokens: i64) -> PolicyCreateRequest {
    let caps = Caps { max_tokens: Some(max_tokens), ..Caps::default() };
    PolicyCreateRequest { caps: Some(caps), ..policy(name, scope_pattern) }
}

fn bot(amount: i64) -> ReservationCreateRequest {
    let mut request = create(amount);
    request.subject.agent = Some("Bot".into());
    request
}

fn max_tokens(client: &Client, request: ReservationCreateRequest) -> Option<i64> {
    client.reserve(request).unwrap().caps.and_then(|caps| caps.max_tokens)
}

fn code(result: Result<Policy, Error>) -> ErrorCode {
    result.unwrap_err().code()
}

#[test]
fn it_is_answered_as_it_was_made() {
    let (engine, _) = start(SEED);
    let made = engine.create_policy(capped("p", "tenant:Acme/*", 5)).unwrap();
    assert!(made.policy_id.starts_with("pol_"), "{made:?}");
    assert_eq!(made.name.as_deref(), Some("p"));
    assert_eq!((made.scope_pattern.as_str(), made.priority), ("tenant:acme/*", Some(0)));
    assert_eq!((made.status, made.caps.unwrap().max_tokens), (PolicyStatus::Active, Some(5)));
}

#[test]
fn the_highest_priority_wins_then_the_narrowest_then_the_newest() {
    let (engine, _) = start(SEED);
    let client = client(&engine);
    let with = |name: &str, pattern: &str, max: i64, priority: i64| {
        let request =
            PolicyCreateRequest { priority: Some(priority), ..capped(name, pattern, max) };
        engine.create_policy(request).unwrap();
    };
    with("tenant", "tenant:acme", 1, 0);
    assert_eq!(max_tokens(&client, bot(1)), Some(1));
    with("agents", "agent:*", 2, 0);
    assert_eq!([bot(1), create(1)].map(|request| max_tokens(&client, request)), [Some(2), Some(1)]);
    with("bot", "tenant:acme/agent:bot", 3, 0);
    with("again", "tenant:acme/agent:bot", 4, 0);
    assert_eq!(max_tokens(&client, bot(1)), Some(4));
    with("urgent", "*", 5, 1);
    assert_eq!(max_tokens(&client, bot(1)), Some(5));
    with("elsewhere", "workspace:w/*", 6, 9);
    assert_eq!(max_tokens(&client, bot(1)), Some(5));
}

#[test]
fn it_counts_from_its_start_to_its_end() {
    let (engine, clock) = start(SEED);
    let client = client(&engine);
    let iso = |ms: i64| Some(format!("2027-01-15T08:00:0{ms}Z"));
    assert_eq!(START, 1_800_000_000_000, "2027-01-15T08:00:00Z");
    let timed = PolicyCreateRequest {
        effective_from: iso(1),
        effective_until: iso(2),
        ..capped("timed", "*", 5)
    };
    engine.create_policy(timed).unwrap();
    let at = |advance: i64| {
        clock.advance(advance);
        max_tokens(&client, create(1))
    };
    assert_eq!([at(999), at(1), at(999), at(1)], [None, Some(5), Some(5), None]);
    for (effective_from, effective_until) in
        [(iso(2), iso(2)), (iso(2), iso(1)), (None, Some("soon".into()))]
    {
        let request = PolicyCreateRequest { effective_from, effective_until, ..policy("bad", "*") };
        assert_eq!(code(engine.create_policy(request)), ErrorCode::InvalidRequest);
    }
}

#[test]
fn its_overage_policy_stands_between_request_and_budget() {
    let (engine, _) = start(SEED);
    let client = client(&engine);
    // What a commit of 20 above the estimate is charged; none where it is refused.
    let overage = |request: ReservationCreateRequest| {
        let id = client.reserve(request).unwrap().reservation_id.unwrap();
        let commit = CommitRequest::builder().actual(Amount::tokens(21)).build();
        client.commit_as(&id, commit).map(|answer| answer.charged.amount).ok()
    };
    assert_eq!(overage(bot(1)), Some(21), "the budget's");
    let reject = PolicyCreateRequest {
        commit_overage_policy: Some(CommitOveragePolicy::Reject),
        ..policy("reject", "agent:bot")
    };
    let before = client.reserve(bot(1)).unwrap().reservation_id.unwrap();
    engine.create_policy(reject).unwrap();
    assert_eq!(overage(bot(1)), None, "the policy's");
    assert_eq!(overage(create(1)), Some(21), "the tenant's, elsewhere");
    let mut own = create_with("own", 1, Some(CommitOveragePolicy::AllowIfAvailable));
    own.subject = bot(1).subject;
    assert_eq!(overage(own), Some(21), "the request's");
    assert!(client.commit(&before, 21).is_ok(), "frozen when the reservation was made");

    let event = EventCreateRequest::builder()
        .subject(bot(1).subject)
        .action(action())
        .actual(Amount::tokens(1_000))
        .build();
    let answer = now(cycles_protocol::Authority::create_event(&client.0, &call(), event));
    refused(answer.map(|answer| answer.value), ErrorCode::BudgetExceeded);
}

#[test]
fn its_lease_stands_in_for_the_tenants() {
    let (engine, _) = start(SEED);
    let client = client(&engine);
    let lease = ReservationTtlOverride {
        default_ttl_ms: Some(2_000),
        max_ttl_ms: Some(4_000_000),
        max_extensions: Some(1),
    };
    let policy = PolicyCreateRequest {
        reservation_ttl_override: Some(lease),
        ..policy("lease", "agent:bot")
    };
    engine.create_policy(policy).unwrap();
    let ttl = |ttl_ms, mut request: ReservationCreateRequest| {
        request.ttl_ms = ttl_ms;
        client.reserve(request).unwrap().expires_at_ms.unwrap() - START
    };
    assert_eq!([ttl(None, bot(1)), ttl(None, create(1))], [2_000, 60_000]);
    assert_eq!(
        [ttl(Some(5_000_000), bot(1)), ttl(Some(5_000_000), create(1))],
        [4_000_000, 3_600_000]
    );
    let id = client.reserve(bot(1)).unwrap().reservation_id.unwrap();
    client.extend(&id, "a", 10).unwrap();
    refused(client.extend(&id, "b", 10), ErrorCode::MaxExtensionsExceeded);
}

#[test]
fn what_cannot_be_is_refused() {
    let (engine, _) = start(SEED);
    engine.create_policy(policy("taken", "*")).unwrap();
    assert_eq!(
        code(engine.create_policy(policy("taken", "agent:x"))),
        ErrorCode::DuplicateResource
    );
    let of = |tenant_id: Option<&str>, pattern: &str| {
        let tenant_id = tenant_id.map(Into::into);
        code(engine.create_policy(PolicyCreateRequest { tenant_id, ..policy("p", pattern) }))
    };
    assert_eq!(of(Some("nobody"), "*"), ErrorCode::InvalidRequest);
    assert_eq!(of(Some("acme"), "tenant:shut/*"), ErrorCode::InvalidRequest);
    assert_eq!(of(None, "agent:x"), ErrorCode::InvalidRequest);
    assert_eq!(of(Some("acme"), "agent:x/*/y"), ErrorCode::InvalidRequest);
    assert_eq!(of(Some("shut"), "*"), ErrorCode::TenantClosed);
    let anchored = PolicyCreateRequest { tenant_id: None, ..policy("p", "tenant:acme/*") };
    assert!(engine.create_policy(anchored).is_ok(), "the pattern names the tenant");
}

#[test]
fn a_seed_disables_and_orders_them() {
    let policies = "policies:
  - {scope_pattern: 'tenant:acme/*', caps: {max_tokens: 1}}
  - {scope_pattern: 'tenant:acme/*', caps: {max_tokens: 2}}
  - {tenant_id: acme, name: off, scope_pattern: 'agent:bot', priority: 9, status: DISABLED, caps: {max_tokens: 3}}
";
    let (engine, _) = start(&format!("{SEED}{policies}"));
    assert_eq!(max_tokens(&client(&engine), bot(1)), Some(2), "the later of equals");
    assert_eq!(code(engine.create_policy(policy("off", "*"))), ErrorCode::DuplicateResource);
}
