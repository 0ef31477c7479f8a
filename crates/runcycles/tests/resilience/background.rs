//! What wrappers need not wait for.

use super::*;

#[tokio::test]
async fn background_settlement_is_not_waited_for_and_its_outcome_is_reported() {
    let world = world(background).await;
    world.answers(CREATE, created()).await;
    world.answers(COMMIT, committed().set_delay(Duration::from_millis(100))).await;
    let outcome = world.guard().await.settle(spent(5)).await;
    assert!(matches!(outcome, Settlement::Queued), "{outcome:?}");
    assert!(world.outcomes().is_empty());
    assert_eq!(world.client.flush_pending_commits_with_timeout(Duration::ZERO).await, 1);
    assert_eq!(world.client.flush_pending_commits().await, 0);
    assert_eq!(world.count(COMMIT).await, 1);
    assert_eq!(world.outcomes(), [(SettlementOutcome::Committed, "res_1".to_owned())]);
}

#[tokio::test]
async fn background_settlement_returns_once_the_journal_has_it() {
    let journal = tempfile::tempdir().unwrap();
    let world = world(|builder| background(journalled(builder, journal.path()))).await;
    world.answers(CREATE, created()).await;
    world.answers(COMMIT, committed().set_delay(Duration::from_millis(100))).await;
    let outcome = world.guard().await.settle(spent(5)).await;
    assert!(matches!(outcome, Settlement::Queued), "{outcome:?}");
    assert_eq!(world.client.journal_stats().unwrap().depth, 1);
    assert_eq!(world.client.flush_pending_commits().await, 0);
    assert_eq!(world.client.journal_stats().unwrap().depth, 0);
}

#[tokio::test]
async fn a_background_settlement_that_is_refused_or_retained_is_reported() {
    for (status, code, journal, expected) in [
        (409, "IDEMPOTENCY_MISMATCH", true, SettlementOutcome::Refused),
        (401, "UNAUTHORIZED", true, SettlementOutcome::Retained),
        (401, "UNAUTHORIZED", false, SettlementOutcome::Refused),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let world = world(|builder| {
            let builder = background(builder);
            if journal { journalled(builder, directory.path()) } else { builder }
        })
        .await;
        world.answers(CREATE, created()).await;
        world.answers(COMMIT, refused(status, code)).await;
        world.guard().await.settle(spent(5)).await;
        let report = world.report().await;
        assert_eq!((report.outcome, report.reservation_id.as_str()), (expected, "res_1"));
        assert_eq!(report.error.unwrap().code(), ErrorCode::parse(code));
    }
}

#[tokio::test]
async fn a_commit_that_is_called_by_hand_is_waited_for_in_background_mode_too() {
    let world = world(background).await;
    world.answers(CREATE, created()).await;
    world.answers(COMMIT, committed()).await;
    let response = world.guard().await.commit(spent(5)).await.unwrap();
    assert_eq!(response.status, CommitStatus::Committed);
    assert!(world.outcomes().is_empty(), "the caller knows");
}

#[tokio::test]
async fn a_callback_that_panics_stops_nothing() {
    let world = world(|builder| background(builder).on_settlement(|_| panic!("boom"))).await;
    world.answers(CREATE, created()).await;
    world.answers(COMMIT, committed()).await;
    for _ in 0..2 {
        world.guard().await.settle(spent(5)).await;
        assert_eq!(world.client.flush_pending_commits().await, 0);
    }
    assert_eq!(world.count(COMMIT).await, 2);
}

#[tokio::test]
async fn background_settlements_ask_a_bounded_number_at_once() {
    const SEED: &str = "
keys: [{name: default, secret: cyc_test, tenant_id: acme}]
budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 100000}]";
    let clock = ManualClock::default();
    let server = TestServer::start_with_clock(SEED, clock.clone()).await.unwrap();
    let builder = background(CyclesClient::builder("", "").tenant("acme"));
    let client = server.client_with(builder, None, Transport::Http).unwrap();
    let held = Effect::Delay(Duration::from_secs(1));
    server.inject(Fault::new(Operation::Commit, held).times(100)).unwrap();
    for _ in 0..100 {
        let guard = client.reserve(request()).await.unwrap();
        assert!(matches!(guard.settle(spent(5)).await, Settlement::Queued));
    }
    let left = || server.pending_faults().first().map_or(0, |fault| fault.times);
    until("the bound", || async { left() == 36 }).await;
    assert_eq!(client.flush_pending_commits_with_timeout(Duration::from_millis(50)).await, 100);
    assert_eq!(left(), 36, "64 are under way, and no more");
    until("the end", || async {
        clock.advance(Duration::from_secs(1));
        client.flush_pending_commits_with_timeout(Duration::from_millis(20)).await == 0
    })
    .await;
    assert_eq!(server.count(Operation::Commit), 100);
    server.shutdown().await.unwrap();
}
