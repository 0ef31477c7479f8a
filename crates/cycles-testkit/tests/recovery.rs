//! Settlement that is unclear, within one process. Those that kill it are in `killed.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::fs;
use std::time::Duration;

use cycles_protocol::{ErrorCode, Operation};
use cycles_testkit::{Effect, Transport};
use runcycles::models::Amount;
use runcycles::{CyclesClient, Settlement, WithCyclesConfig, with_cycles};

use world::{HELD, PATIENCE, World};

/// A client in this process, on the server's clock, with the journal. In a
/// runtime of one thread its first replay looks before anything is spent.
fn client(world: &World) -> CyclesClient {
    let builder = CyclesClient::builder("", "").tenant("acme").journal_dir(world.journal.path());
    world.server.client_with(builder, Some("old"), Transport::Http).unwrap()
}

async fn guarded(client: &CyclesClient) -> &'static str {
    let call = WithCyclesConfig::new(Amount::tokens(5)).action("llm", "m");
    with_cycles(client, call, |_| async { Ok(("done", Amount::tokens(5))) }).await.unwrap()
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    let world = World::new().await;
    let client = client(&world);
    world.inject(Operation::Commit, Effect::DropAfter);
    assert_eq!(guarded(&client).await, "done");
    assert_eq!((world.records(), client.journal_stats().unwrap().depth), (1, 1));
    world.clock.advance(Duration::from_secs(1));
    assert!(world.server.wait_for(Operation::Commit, 2, PATIENCE).await);
    assert_eq!(client.flush_pending_commits().await, 0);
    assert_eq!((world.spent(), world.records()), (5, 0));
}

/// The existing SDKs try again only after a restart (sdk-behaviour 4.1, 5).
#[tokio::test]
async fn a_retained_spend_is_tried_again_on_a_timer() {
    let world = World::new().await;
    let client = client(&world);
    world.inject(Operation::Commit, Effect::status(401));
    assert_eq!(guarded(&client).await, "done");
    assert_eq!(world.spent(), 0);
    let stats = client.journal_stats().unwrap();
    assert_eq!((stats.depth, stats.oldest_age), (1, Some(Duration::ZERO)));
    world.clock.advance(Duration::from_secs(30));
    assert!(world.server.wait_for(Operation::Commit, 1, PATIENCE).await);
    assert_eq!(client.flush_pending_commits().await, 0);
    assert_eq!((world.spent(), world.records()), (5, 0));
}

#[tokio::test]
async fn a_refused_fallback_event_is_kept_and_reported() {
    let refusals =
        [ErrorCode::BudgetFrozen, ErrorCode::BudgetExceeded, ErrorCode::OverdraftLimitExceeded];
    for code in refusals {
        let world = World::new().await;
        let client = client(&world);
        world.inject(Operation::Commit, Effect::status(410));
        let (status, retry_after) = (409, None);
        let refused = Effect::Status { status, code: Some(code), retry_after };
        world.inject(Operation::CreateEvent, refused);
        let request = runcycles::models::ReservationCreateRequest::builder()
            .action(runcycles::models::Action::new("llm", "m"))
            .estimate(Amount::tokens(5))
            .build();
        let guard = client.reserve(request).await.unwrap();
        let commit = runcycles::models::CommitRequest::builder().actual(Amount::tokens(5)).build();
        let settlement = guard.settle(commit).await;
        let Settlement::Pending(error) = settlement else { panic!("{code}: {settlement:?}") };
        assert_eq!(error.code(), code);
        assert_eq!((world.records(), world.on_disk("\"mode\":\"event\"")), (1, 1));
        assert_eq!(client.flush_pending_commits().await, 0, "{code}");
        assert_eq!((world.server.count(Operation::CreateEvent), world.spent()), (1, 5));
    }
}

#[tokio::test]
async fn a_journal_that_cannot_be_written_fails_no_call_and_is_seen() {
    let world = World::new().await;
    let file = world.journal.path().join("a file");
    fs::write(&file, "").unwrap();
    let builder = CyclesClient::builder("", "").tenant("acme").journal_dir(file.join("journal"));
    let client = world.server.client_with(builder, None, Transport::Http).unwrap();
    assert_eq!(guarded(&client).await, "done");
    let stats = client.journal_stats().unwrap();
    assert!(stats.degraded.unwrap().contains("record cannot be written"));
    assert_eq!((stats.depth, world.spent()), (0, 5));
}

/// Decision "Journal": what is unresolved is in the standard file within a
/// second, and at the end of the client.
#[tokio::test]
async fn a_record_gets_its_own_file_within_a_second() {
    let world = World::new().await;
    let client = client(&world);
    world.inject(Operation::Commit, Effect::Delay(HELD));
    let call = tokio::spawn(async move { guarded(&client).await });
    assert!(world.server.wait_for_faults(Operation::Commit, PATIENCE).await);
    assert_eq!((world.records(), world.on_disk("\"commit_body\"")), (0, 1), "in the segment");
    world.clock.advance(Duration::from_secs(1));
    let promoted = async {
        while world.records() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, promoted).await.unwrap();
    world.server.clear_faults();
    assert_eq!(call.await.unwrap(), "done");
}
