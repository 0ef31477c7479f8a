//! Repeating a key: the first outcome again, and nothing applied twice.
#![expect(clippy::unwrap_used, reason = "tests")]

mod fixture;

use cycles_protocol::{
    Amount, CommitRequest, Decision, ErrorCode, ReleaseRequest, ReservationCreateRequest,
};
use fixture::{amounts, client, create_with, now, refused, start};

fn dry(key: &str, amount: i64) -> ReservationCreateRequest {
    let mut request = create_with(key, amount, None);
    request.dry_run = Some(true);
    request
}

#[test]
fn a_reserve_is_replayed_verbatim_but_for_the_lease() {
    let (engine, clock) = start(fixture::SEED);
    let client = client(&engine);
    let first = client.reserve(create_with("k", 100, None)).unwrap();
    client.event("e", 50).unwrap();
    clock.advance(1_000);
    let mut again = client.reserve(create_with("k", 100, None)).unwrap();
    assert_eq!(again.remaining_ttl_ms, Some(59_000));
    again.remaining_ttl_ms = first.remaining_ttl_ms;
    assert_eq!(again, first, "balances too are those of then");
    assert_eq!(amounts(&engine), (850, 100, 50));

    let id = first.reservation_id.clone().unwrap();
    client.extend(&id, "x", 10_000).unwrap();
    let again = client.reserve(create_with("k", 100, None)).unwrap();
    assert_eq!((again.expires_at_ms, again.remaining_ttl_ms), (first.expires_at_ms, Some(59_000)));

    client.release(&id).unwrap();
    let again = client.reserve(create_with("k", 100, None)).unwrap();
    assert_eq!((again.reservation_id, again.remaining_ttl_ms), (Some(id), Some(0)));
    assert_eq!(amounts(&engine), (950, 0, 50));
}

#[test]
fn only_the_two_defaults_are_filled_in() {
    let (engine, _) = start(fixture::SEED);
    let client = client(&engine);
    client.reserve(create_with("k", 100, None)).unwrap();
    let mut same = create_with("k", 100, None);
    (same.grace_period_ms, same.dry_run) = (Some(5_000), Some(false));
    client.reserve(same).unwrap();
    let mut other = create_with("k", 100, None);
    other.ttl_ms = Some(60_000);
    refused(client.reserve(other), ErrorCode::IdempotencyMismatch);
    refused(client.reserve(create_with("k", 101, None)), ErrorCode::IdempotencyMismatch);
    assert_eq!(amounts(&engine), (900, 100, 0));
}

#[test]
fn dry_run_and_live_share_a_namespace() {
    let (engine, _) = start(fixture::SEED);
    let client = client(&engine);
    let first = client.reserve(dry("d", 100)).unwrap();
    assert_eq!((first.decision, first.reservation_id.clone()), (Decision::Allow, None));
    assert_eq!((first.expires_at_ms, first.remaining_ttl_ms), (None, None));
    client.hold(1_000);
    assert_eq!(client.reserve(dry("d", 100)).unwrap(), first);
    refused(client.reserve(create_with("d", 100, None)), ErrorCode::IdempotencyMismatch);
    let denied = client.reserve(dry("e", 100)).unwrap();
    assert_eq!(denied.decision, Decision::Deny);
    assert_eq!(denied.reason_code.as_deref(), Some("BUDGET_EXCEEDED"));
    assert_eq!(denied.affected_scopes, ["tenant:acme"]);
}

#[test]
fn a_refused_reserve_is_decided_anew() {
    let (engine, _) = start(fixture::SEED);
    let client = client(&engine);
    let id = client.hold(1_000);
    refused(client.reserve(create_with("k", 1, None)), ErrorCode::BudgetExceeded);
    client.release(&id).unwrap();
    client.reserve(create_with("k", 1, None)).unwrap();
}

#[test]
fn a_settled_reservation_replays_its_own_key_and_no_other() {
    let (engine, clock) = start(fixture::SEED);
    let client = client(&engine);
    let id = client.hold(100);
    let commit = |key: &str, amount| {
        let request =
            CommitRequest::builder().idempotency_key(key).actual(Amount::tokens(amount)).build();
        client.commit_as(&id, request)
    };
    let first = commit("k", 60).unwrap();
    client.event("e", 10).unwrap();
    // Long after the lease the answer is still the first one.
    clock.advance(24 * 60 * 60 * 1_000);
    assert_eq!(commit("k", 60).unwrap(), first);
    refused(commit("k", 61), ErrorCode::IdempotencyMismatch);
    refused(commit("other", 60), ErrorCode::ReservationFinalized);
    let release = ReleaseRequest::builder().idempotency_key("k").build();
    let release =
        now(cycles_protocol::Authority::release(&client.0, &fixture::call(), &id, release));
    refused(release, ErrorCode::ReservationFinalized);
    assert_eq!(amounts(&engine), (930, 0, 70));
}

#[test]
fn an_extension_is_applied_once() {
    let (engine, clock) = start(fixture::SEED);
    let client = client(&engine);
    let id = client.hold(100);
    let first = client.extend(&id, "k", 10_000).unwrap();
    clock.advance(1_000);
    let again = client.extend(&id, "k", 10_000).unwrap();
    assert_eq!(again.expires_at_ms, first.expires_at_ms);
    assert_eq!(again.remaining_ttl_ms, Some(69_000));
    refused(client.extend(&id, "k", 10_001), ErrorCode::IdempotencyMismatch);
    // The key belongs to the path: another reservation has its own.
    let other = client.hold(1);
    client.extend(&other, "k", 5_000).unwrap();
    client.release(&id).unwrap();
    assert_eq!(client.extend(&id, "k", 10_000).unwrap().remaining_ttl_ms, Some(0));
    refused(client.extend(&id, "new", 10_000), ErrorCode::ReservationFinalized);
}

#[test]
fn events_and_decisions_answer_the_first_outcome() {
    let (engine, clock) = start(fixture::SEED);
    let client = client(&engine);
    let decided = client.decide("k", Amount::tokens(1_000)).unwrap();
    let applied = client.event("k", 400).unwrap();
    assert_eq!(client.event("k", 400).unwrap(), applied);
    refused(client.event("k", 401), ErrorCode::IdempotencyMismatch);
    assert_eq!(client.decide("k", Amount::tokens(1_000)).unwrap(), decided);
    assert_eq!(amounts(&engine), (600, 0, 400));
    clock.advance(24 * 60 * 60 * 1_000 + 1);
    let later = client.decide("k", Amount::tokens(1_000)).unwrap();
    assert_eq!(later.decision, Decision::Deny, "decisions are kept for 24 hours");
    assert_eq!(client.event("k", 400).unwrap(), applied, "events for 30 days");
}
