//! Soft limits that come with an allowed hold.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use cycles_protocol::{Amount, Caps, Decision, DecisionRequest, ReservationCreateRequest, Unit};
use fixture::{Client, action, call, client, create, create_with, now, start};

const SEED: &str = "
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets:
  - scope: tenant:acme
    unit: TOKENS
    allocated: 1000
    caps: {at_utilization: 80, max_tokens: 500, tool_denylist: [shell], cooldown_ms: 100}
  - scope: tenant:acme/agent:bot
    unit: TOKENS
    allocated: 100
    caps: {max_tokens: 800, max_steps_remaining: 3}
";

fn tokens(max_tokens: i64) -> Caps {
    Caps { max_tokens: Some(max_tokens), ..Caps::default() }
}

fn of_tenant() -> Caps {
    Caps { tool_denylist: Some(vec!["shell".into()]), cooldown_ms: Some(100), ..tokens(500) }
}

fn bot(amount: i64) -> ReservationCreateRequest {
    let mut request = create(amount);
    request.subject.agent = Some("bot".into());
    request
}

fn dry(mut request: ReservationCreateRequest) -> ReservationCreateRequest {
    request.dry_run = Some(true);
    request
}

/// What decide says about the same request.
fn decide(client: &Client, request: &ReservationCreateRequest) -> (Decision, Option<Caps>) {
    let request = DecisionRequest::builder()
        .idempotency_key(format!("{:?}", request.idempotency_key))
        .subject(request.subject.clone())
        .action(action())
        .estimate(request.estimate)
        .build();
    let answer = now(cycles_protocol::Authority::decide(&client.0, &call(), request)).unwrap();
    (answer.value.decision, answer.value.caps)
}

/// All three ways of asking say the same.
#[track_caller]
fn granted(client: &Client, request: ReservationCreateRequest, caps: Option<Caps>) {
    let decision = if caps.is_some() { Decision::AllowWithCaps } else { Decision::Allow };
    let mut asked = dry(request.clone());
    asked.idempotency_key = format!("dry-{}", request.idempotency_key.as_str()).into();
    assert_eq!(decide(client, &request), (decision, caps.clone()), "decide");
    let answer = client.reserve(asked).unwrap();
    assert_eq!((answer.decision, answer.caps), (decision, caps.clone()), "dry run");
    let answer = client.reserve(request).unwrap();
    assert_eq!((answer.decision, answer.caps), (decision, caps), "live");
}

#[test]
fn they_start_with_the_hold_that_reaches_the_threshold() {
    let (engine, _) = start(SEED);
    let client = client(&engine);
    granted(&client, create(799), None);
    granted(&client, create(0), None);
    granted(&client, create(1), Some(of_tenant()));
    granted(&client, create(200), Some(of_tenant()));
}

#[test]
fn what_comes_back_ends_them() {
    let (engine, clock) = start(SEED);
    let client = client(&engine);
    let id = client.hold(900);
    client.release(&id).unwrap();
    granted(&client, create(100), None);
    let id = client.hold(800);
    client.commit(&id, 700).unwrap();
    granted(&client, create(0), Some(of_tenant()));
    clock.advance(100_000_000);
    granted(&client, create(99), None);
}

#[test]
fn caps_of_several_budgets_combine() {
    let (engine, _) = start(SEED);
    let client = client(&engine);
    let own = Caps { max_steps_remaining: Some(3), ..tokens(800) };
    granted(&client, bot(10), Some(own));
    granted(&client, create(790), Some(of_tenant()));
    let both = Caps { max_steps_remaining: Some(3), ..of_tenant() };
    granted(&client, bot(10), Some(both));
}

#[test]
fn only_budgets_in_the_unit_count() {
    let (engine, _) =
        start(&format!("{SEED}  - {{scope: 'tenant:acme', unit: CREDITS, allocated: 1}}\n"));
    let mut request = create(0);
    request.estimate = Amount::new(Unit::Credits, 1);
    granted(&client(&engine), request, None);
}

#[test]
fn a_replay_answers_the_caps_of_the_first_answer() {
    let (engine, clock) = start(SEED);
    let client = client(&engine);
    let held = client.reserve(create_with("capped", 900, None)).unwrap();
    let free = client.reserve(dry(create_with("asked", 100, None))).unwrap();
    assert_eq!((held.caps, free.caps), (Some(of_tenant()), Some(of_tenant())));
    clock.advance(3_000_000);
    assert_eq!(decide(&client, &create(1)).0, Decision::Allow, "the hold has expired");
    let held = client.reserve(create_with("capped", 900, None)).unwrap();
    assert_eq!((held.decision, held.caps), (Decision::AllowWithCaps, Some(of_tenant())));
    let free = client.reserve(dry(create_with("asked", 100, None))).unwrap();
    assert_eq!((free.decision, free.caps), (Decision::AllowWithCaps, Some(of_tenant())));
}

#[test]
fn a_denial_has_none() {
    let (engine, _) = start(SEED);
    let client = client(&engine);
    client.hold(900);
    assert_eq!(decide(&client, &create(101)), (Decision::Deny, None));
    assert_eq!(client.reserve(dry(create(101))).unwrap().caps, None);
}

#[test]
fn disjoint_allowlists_allow_nothing() {
    let (engine, _) = start(
        "keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 1000, caps: {tool_allowlist: [a]}}]
policies: [{scope_pattern: 'tenant:acme', caps: {tool_allowlist: [b]}}]",
    );
    let caps = client(&engine).reserve(create(1)).unwrap().caps.unwrap();
    assert!(!caps.is_tool_allowed("a") && !caps.is_tool_allowed("b"), "{caps:?}");
    assert!(!caps.tool_allowlist.unwrap().is_empty(), "an empty list would allow everything");
}

#[test]
fn a_policys_threshold_looks_at_the_fullest_budget() {
    let (engine, _) = start(
        "keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets:
  - {scope: 'tenant:acme', unit: TOKENS, allocated: 1000}
  - {scope: 'tenant:acme/agent:bot', unit: TOKENS, allocated: 100}
policies: [{tenant_id: acme, scope_pattern: 'agent:*', caps: {at_utilization: 50, max_tokens: 7}}]",
    );
    let client = client(&engine);
    granted(&client, bot(49), None);
    granted(&client, bot(1), Some(tokens(7)));
    let mut other = create(1);
    other.subject.agent = Some("other".into());
    granted(&client, other, None);
}
