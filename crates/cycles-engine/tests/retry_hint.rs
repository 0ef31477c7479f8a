//! What a refusal says about when budget returns.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use cycles_protocol::{
    Amount, CommitOveragePolicy, Decision, Error, ErrorCode, EventCreateRequest,
    ReservationCreateRequest,
};
use fixture::{Client, action, call, client, create, create_with, now, refused, start, subject};

/// A hold of `amount` whose lease and grace end `ms` from now.
fn lease(amount: i64, ms: i64) -> ReservationCreateRequest {
    let mut request = create(amount);
    (request.ttl_ms, request.grace_period_ms) = (Some(ms - 500), Some(500));
    request
}

fn hint(error: &Error) -> Option<i64> {
    error.details()?.get("retry_after_ms")?.as_i64()
}

/// What all three ways of asking say; they agree.
#[track_caller]
fn wait(client: &Client, key: &str, amount: i64) -> Option<i64> {
    let decided = client.decide(key, Amount::tokens(amount)).unwrap();
    assert_eq!(decided.decision, Decision::Deny);
    let mut dry = create_with(key, amount, None);
    dry.dry_run = Some(true);
    let dry = client.reserve(dry).unwrap();
    let live = refused(client.reserve(create(amount)), ErrorCode::BudgetExceeded);
    assert_eq!((decided.retry_after_ms, dry.retry_after_ms), (hint(&live), hint(&live)));
    assert_eq!(live.retry_after(), None, "no Retry-After on 409");
    hint(&live)
}

#[test]
fn it_is_the_time_until_enough_has_expired() {
    let (engine, clock) = start(fixture::SEED);
    let client = client(&engine);
    client.reserve(lease(300, 20_000)).unwrap();
    client.reserve(lease(300, 10_000)).unwrap();
    client.reserve(lease(400, 30_000)).unwrap();
    assert_eq!(wait(&client, "a", 300), Some(10_001));
    assert_eq!(wait(&client, "b", 301), Some(20_001));
    assert_eq!(wait(&client, "c", 1_000), Some(30_001));
    clock.advance(10_000);
    assert_eq!(wait(&client, "d", 300), Some(1));
    clock.advance(1);
    assert!(client.reserve(create(300)).is_ok());
}

#[test]
fn a_repeated_question_is_answered_as_the_first_time() {
    let (engine, clock) = start(fixture::SEED);
    let client = client(&engine);
    client.reserve(lease(1_000, 20_000)).unwrap();
    let ask = || client.decide("k", Amount::tokens(1)).unwrap().retry_after_ms;
    assert_eq!(ask(), Some(20_001));
    clock.advance(5_000);
    assert_eq!(ask(), Some(20_001));
}

#[test]
fn what_time_does_not_bring_back_has_none() {
    let (engine, _) = start(fixture::SEED);
    let client = client(&engine);
    assert_eq!(wait(&client, "more than there is", 1_001), None);
    let id = client.hold(600);
    client.commit(&id, 600).unwrap();
    client.hold(300);
    assert_eq!(wait(&client, "spent", 401), None);
    assert!(wait(&client, "held", 400).is_some());
    let rejected = client.reserve(create_with("r", 10, Some(CommitOveragePolicy::Reject))).unwrap();
    let error = client.commit(&rejected.reservation_id.unwrap(), 11);
    assert_eq!(hint(&refused(error, ErrorCode::BudgetExceeded)), None, "REJECT never lets it pass");
}

#[test]
fn every_scope_that_is_short_counts() {
    let (engine, _) = start(
        "keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets:
  - {scope: 'tenant:acme', unit: TOKENS, allocated: 100}
  - {scope: 'tenant:acme/agent:a', unit: TOKENS, allocated: 100}
  - {scope: 'tenant:acme/agent:b', unit: TOKENS, allocated: 100, spent: 100}",
    );
    let client = client(&engine);
    let of = |agent: &str, request: ReservationCreateRequest| {
        let mut request = request;
        request.subject.agent = Some(agent.into());
        request
    };
    client.reserve(lease(50, 10_000)).unwrap();
    client.reserve(of("a", lease(50, 20_000))).unwrap();
    let refusal = |agent, amount| {
        hint(&refused(client.reserve(of(agent, create(amount))), ErrorCode::BudgetExceeded))
    };
    assert_eq!(refusal("a", 50), Some(10_001), "only the root is short");
    assert_eq!(refusal("a", 51), Some(20_001), "both are");
    assert_eq!(refusal("b", 1), None, "the root's hold expires, what the agent spent does not");
}

#[test]
fn an_event_that_is_refused_has_it_too() {
    let (engine, _) = start(fixture::SEED);
    let client = client(&engine);
    client.reserve(lease(1_000, 20_000)).unwrap();
    let event = EventCreateRequest::builder()
        .subject(subject())
        .action(action())
        .actual(Amount::tokens(1))
        .overage_policy(CommitOveragePolicy::Reject)
        .build();
    let answer = now(cycles_protocol::Authority::create_event(&client.0, &call(), event));
    let error = refused(answer.map(|answer| answer.value), ErrorCode::BudgetExceeded);
    assert_eq!(hint(&error), Some(20_001));
}

#[test]
fn only_the_first_holds_to_expire_are_looked_at() {
    let (engine, _) = start(
        "keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets:
  - {scope: 'tenant:acme/agent:a', unit: TOKENS, allocated: 1}
  - {scope: 'tenant:acme/agent:b', unit: TOKENS, allocated: 1000000}",
    );
    let client = client(&engine);
    let of = |agent: &str, request: ReservationCreateRequest| {
        let mut request = request;
        request.subject.agent = Some(agent.into());
        request
    };
    client.reserve(of("a", lease(1, 50_000))).unwrap();
    let ask = || hint(&refused(client.reserve(of("a", create(1))), ErrorCode::BudgetExceeded));
    for _ in 0..255 {
        client.reserve(of("b", lease(1, 20_000))).unwrap();
    }
    assert_eq!(ask(), Some(50_001));
    client.reserve(of("b", lease(1, 20_000))).unwrap();
    assert_eq!(ask(), None);
}
