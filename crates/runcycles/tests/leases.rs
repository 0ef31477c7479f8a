//! Leases over a test server with one manual clock for it and the client: kept,
//! lost, and what the policies make of a loss.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cycles_protocol::Operation;
use cycles_testkit::{Effect, Fault, ManualClock, TestServer, Transport};
use futures_util::StreamExt;
use runcycles::models::{
    Action, Amount, CommitRequest, CommitStatus, ErrorCode, ReservationCreateRequest, Unit,
};
use runcycles::{
    CyclesClient, Error, HeartbeatPolicy, Notification, StreamOptions, WithCyclesConfig, document,
    with_cycles,
};
use serde_json::json;

const SEED: &str = r#"
tenants: [{tenant_id: acme}]
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets: [{scope: "tenant:acme", unit: TOKENS, allocated: 1000}]
"#;
const PATIENCE: Duration = Duration::from_secs(10);

struct Setup {
    server: TestServer,
    clock: ManualClock,
}

impl Setup {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let server = TestServer::start_with_clock(SEED, clock.clone()).await.unwrap();
        Self { server, clock }
    }

    fn client(&self, policy: HeartbeatPolicy) -> CyclesClient {
        let builder = CyclesClient::builder("", "").tenant("acme").heartbeat_policy(policy);
        self.server.client_with(builder, None, Transport::Http).unwrap()
    }

    /// Makes the next extension one that is refused for good.
    fn refuse_extension(&self, code: ErrorCode) {
        let effect = Effect::Status { status: code.status(), code: Some(code), retry_after: None };
        self.server.inject(Fault::new(Operation::Extend, effect)).unwrap();
    }

    /// Moves the clock to the first extension of a five-second lease, which is
    /// refused, and to the end of the lease.
    async fn lose_lease(&self, client: &CyclesClient) {
        self.refuse_extension(ErrorCode::MaxExtensionsExceeded);
        self.clock.advance(Duration::from_secs(2));
        assert_eq!(dispositions(client).await, ["stopped"]);
        self.clock.advance(Duration::from_secs(3));
        assert_eq!(dispositions(client).await, ["lost"]);
    }

    fn spent(&self) -> i64 {
        self.server.budget("tenant:acme", Unit::Tokens).unwrap().spent.amount
    }
}

/// What the heartbeat says next.
async fn dispositions(client: &CyclesClient) -> Vec<&'static str> {
    let notifications = client.notifications();
    let batch = tokio::time::timeout(PATIENCE, notifications.next()).await.unwrap().unwrap();
    let kinds = batch.into_iter().map(|notification| match notification {
        Notification::HeartbeatFailure { disposition, .. } => disposition,
        other => panic!("{other:?}"),
    });
    kinds.collect()
}

fn five_seconds() -> ReservationCreateRequest {
    ReservationCreateRequest::builder()
        .action(Action::new("llm", "m"))
        .estimate(Amount::tokens(100))
        .ttl_ms(5_000)
        .build()
}

fn actual() -> CommitRequest {
    CommitRequest::builder().actual(Amount::tokens(60)).build()
}

#[tokio::test]
async fn a_five_second_lease_lives_as_long_as_its_guard() {
    let setup = Setup::new().await;
    let client = setup.client(HeartbeatPolicy::FailOnFinalize);
    let guard = client.reserve(five_seconds()).await.unwrap();
    // Five seconds less two attempts and a margin of one second each; then, with
    // an extension's five on top, every five seconds.
    for (extension, seconds) in (1..).zip([2, 5, 5, 5, 5, 5, 5, 5, 5, 5]) {
        setup.clock.advance(Duration::from_secs(seconds));
        assert!(setup.server.wait_for(Operation::Extend, extension, PATIENCE).await);
    }
    let committed = guard.commit(actual()).await.unwrap();
    assert_eq!(committed.status, CommitStatus::Committed);
    assert_eq!(client.notifications().take(), []);
    assert_eq!(setup.server.count(Operation::Extend), 10);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_kept_on_the_clock_that_tokio_pauses_for_tests() {
    let client = CyclesClient::embedded(SEED).unwrap();
    let guard = client.reserve(five_seconds()).await.unwrap();
    let expires =
        || async { client.get_reservation(guard.reservation_id()).await.unwrap().expires_at_ms };
    let first = expires().await;
    tokio::time::advance(Duration::from_secs(3)).await;
    tokio::task::yield_now().await;
    assert!(expires().await > first, "the lease was not extended");
}

#[tokio::test]
async fn the_time_for_an_extension_can_be_set() {
    let setup = Setup::new().await;
    let builder =
        CyclesClient::builder("", "").tenant("acme").extend_timeout(Duration::from_secs(10));
    let client = setup.server.client_with(builder, None, Transport::Http).unwrap();
    let mut request = five_seconds();
    request.ttl_ms = Some(60_000);
    let guard = client.reserve(request).await.unwrap();
    // Two attempts of ten seconds and a margin of one before the end.
    setup.clock.advance(Duration::from_secs(39));
    assert!(setup.server.wait_for(Operation::Extend, 1, PATIENCE).await);
    drop(guard);
}

#[tokio::test]
async fn by_default_work_goes_on_and_a_late_spend_is_booked() {
    let setup = Setup::new().await;
    let client = setup.client(HeartbeatPolicy::Warn);
    let guard = client.reserve(five_seconds()).await.unwrap();
    setup.lose_lease(&client).await;
    assert!(guard.lease().loss().is_some());
    setup.clock.advance(Duration::from_secs(60));
    assert_eq!(guard.commit(actual()).await.unwrap().status, CommitStatus::RecoveredViaEvent);
    assert_eq!(setup.spent(), 60);
}

#[tokio::test]
async fn a_lost_lease_can_make_the_commit_an_error_that_is_booked_all_the_same() {
    for late in [0, 60] {
        let setup = Setup::new().await;
        let client = setup.client(HeartbeatPolicy::FailOnFinalize);
        let guard = client.reserve(five_seconds()).await.unwrap();
        setup.lose_lease(&client).await;
        // Within the grace period it still settles on its reservation.
        setup.clock.advance(Duration::from_secs(late));
        let Err(Error::LeaseLost(loss)) = guard.commit(actual()).await else { panic!("{late}") };
        assert!(loss.reason.contains("refused the extension"), "{loss}");
        assert_eq!(setup.spent(), 60, "late={late}");
    }
}

#[tokio::test]
async fn that_it_had_expired_is_found_out_by_the_commit_at_the_latest() {
    let setup = Setup::new().await;
    let client = setup.client(HeartbeatPolicy::FailOnFinalize);
    let guard = client.reserve(five_seconds()).await.unwrap();
    let answer = Effect::Status {
        status: 410,
        code: Some(ErrorCode::ReservationExpired),
        retry_after: None,
    };
    setup.server.inject(Fault::new(Operation::Commit, answer)).unwrap();
    let result = guard.commit(actual()).await;
    assert!(matches!(result, Err(Error::LeaseLost(_))), "{result:?}");
    assert_eq!(setup.server.count(Operation::CreateEvent), 1);
}

#[tokio::test]
async fn a_guarded_result_is_never_lost_to_the_policy() {
    let setup = Setup::new().await;
    let client = setup.client(HeartbeatPolicy::FailOnFinalize);
    let config = WithCyclesConfig::new(Amount::tokens(100)).action("llm", "m").ttl_ms(5_000);
    let answer = with_cycles(&client, config, |_| async {
        setup.lose_lease(&client).await;
        Ok(("answer", Amount::tokens(60)))
    });
    assert_eq!(answer.await.unwrap(), "answer");
    assert_eq!(setup.spent(), 60);
}

#[tokio::test]
async fn packages_are_told_of_the_loss_beside_the_booked_spend() {
    for (policy, told) in [(HeartbeatPolicy::FailOnFinalize, true), (HeartbeatPolicy::Warn, false)]
    {
        let setup = Setup::new().await;
        let client = setup.client(policy);
        let request = json!({"estimate": {"unit": "TOKENS", "amount": 100}, "ttl_ms": 5_000});
        let request = document::read("guarded call", request).unwrap();
        let guard = document::begin(&client, request, None).await.unwrap();
        assert_eq!(guard.context()["lease_lost"], false);
        setup.lose_lease(&client).await;
        assert_eq!(guard.context()["lease_lost"], true);
        let settled = guard.commit(document::CommitDocument::default()).await;
        assert_eq!(settled.outcome, "committed");
        assert_eq!(settled.error.map(|error| error.kind), told.then_some("ReservationExpired"));
        assert_eq!(setup.spent(), 100);
    }
}

#[tokio::test]
async fn work_whose_lease_is_lost_can_be_cancelled() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let setup = Setup::new().await;
    let client = setup.client(HeartbeatPolicy::Cancel);
    let config = WithCyclesConfig::new(Amount::tokens(100)).action("llm", "m").ttl_ms(5_000);
    let cancelled = Arc::new(AtomicBool::new(false));
    let work = with_cycles(&client, config, |_| {
        let dropped = Dropped(Arc::clone(&cancelled));
        async move {
            std::future::pending::<()>().await;
            drop(dropped);
            Ok(((), Amount::tokens(60)))
        }
    });
    let (result, ()) = tokio::join!(work, async {
        // Only once the hold is there can its lease be lost.
        assert!(setup.server.wait_for(Operation::CreateReservation, 1, PATIENCE).await);
        setup.lose_lease(&client).await;
    });
    let Err(Error::LeaseLost(loss)) = result else { panic!("{result:?}") };
    assert!(loss.to_string().contains("was lost: the authority refused"), "{loss}");
    assert!(cancelled.load(Ordering::SeqCst));
    assert_eq!(client.flush_pending_commits().await, 0);
    for operation in [Operation::Commit, Operation::CreateEvent, Operation::Release] {
        assert_eq!(setup.server.count(operation), 0, "{operation:?}");
    }
}

#[tokio::test]
async fn packages_can_cancel_work_whose_lease_is_lost() {
    for (policy, cancels) in [(HeartbeatPolicy::Cancel, true), (HeartbeatPolicy::Warn, false)] {
        let setup = Setup::new().await;
        let client = setup.client(policy);
        let request = json!({"estimate": {"unit": "TOKENS", "amount": 100}, "ttl_ms": 5_000});
        let request = document::read("guarded call", request).unwrap();
        let guard = document::begin(&client, request, None).await.unwrap();
        assert_eq!(guard.cancels(), cancels);
        let (report, ()) = tokio::join!(guard.lost(), setup.lose_lease(&client));
        assert_eq!(report.kind, "ReservationExpired");
        guard.abandon().await;
        assert!(!guard.cancels());
        assert_eq!(setup.server.count(Operation::Commit), 0);
        assert_eq!(guard.release(None).await.outcome, "already_settled");
    }
}

#[tokio::test]
async fn a_stream_whose_lease_is_lost_is_cut_while_it_waits_for_output() {
    let setup = Setup::new().await;
    let client = setup.client(HeartbeatPolicy::Cancel);
    let config = WithCyclesConfig::new(Amount::tokens(100)).action("llm", "m").ttl_ms(5_000);
    let stream = client.reserve_stream(config, StreamOptions::new()).await.unwrap();
    stream.add_output_tokens(30);
    let silent = futures_util::stream::pending::<Result<(), &str>>();
    let mut items = Box::pin(stream.clone().watch(silent));
    let (end, ()) = tokio::join!(items.next(), setup.lose_lease(&client));
    assert_eq!(end, None);
    assert!(stream.is_cut() && stream.is_settled());
    assert_eq!(setup.spent(), 30, "what flowed is known and booked");
}

#[tokio::test]
async fn manual_users_can_wait_for_the_loss() {
    let setup = Setup::new().await;
    let client = setup.client(HeartbeatPolicy::Warn);
    let guard = client.reserve(five_seconds()).await.unwrap();
    setup.refuse_extension(ErrorCode::ReservationExpired);
    setup.clock.advance(Duration::from_secs(2));
    let loss = tokio::time::timeout(PATIENCE, guard.lease_lost()).await.unwrap();
    assert_eq!(&loss.reservation_id, guard.reservation_id());
    let _ = guard.settle(actual()).await;
    assert_eq!(setup.spent(), 60);
}

#[tokio::test]
async fn an_extension_by_hand_moves_the_end_of_the_lease() {
    let setup = Setup::new().await;
    let client = setup.client(HeartbeatPolicy::Warn);
    let guard = client.reserve(five_seconds()).await.unwrap();
    guard.extend(20_000).await.unwrap();
    setup.refuse_extension(ErrorCode::MaxExtensionsExceeded);
    setup.clock.advance(Duration::from_secs(2));
    assert_eq!(dispositions(&client).await, ["stopped"]);
    setup.clock.advance(Duration::from_secs(22));
    tokio::task::yield_now().await;
    assert_eq!(guard.lease().loss(), None, "24 of 25 seconds");
    setup.clock.advance(Duration::from_secs(1));
    assert_eq!(dispositions(&client).await, ["lost"]);
    drop(guard);
}

#[tokio::test]
async fn a_callback_that_panics_does_not_end_the_heartbeat() {
    let setup = Setup::new().await;
    let builder = CyclesClient::builder("", "")
        .tenant("acme")
        .on_heartbeat_failure(|_| panic!("a defect of the caller's"));
    let client = setup.server.client_with(builder, None, Transport::Http).unwrap();
    let guard = client.reserve(five_seconds()).await.unwrap();
    setup.server.inject(Fault::new(Operation::Extend, Effect::status(503))).unwrap();
    setup.clock.advance(Duration::from_secs(2));
    assert_eq!(dispositions(&client).await, ["repeats"]);
    setup.clock.advance(Duration::from_secs(1));
    assert!(setup.server.wait_for(Operation::Extend, 1, PATIENCE).await);
    drop(guard);
}

#[tokio::test]
async fn a_short_lease_is_kept_though_a_longer_one_was_there_before() {
    let setup = Setup::new().await;
    let client = setup.client(HeartbeatPolicy::Warn);
    let request = ReservationCreateRequest { ttl_ms: Some(60_000), ..five_seconds() };
    let long = client.reserve(request).await.unwrap();
    let short = client.reserve(five_seconds()).await.unwrap();
    setup.clock.advance(Duration::from_secs(2));
    assert!(setup.server.wait_for(Operation::Extend, 1, PATIENCE).await);
    assert_eq!(short.commit(actual()).await.unwrap().status, CommitStatus::Committed);
    // Nobody waits for the short one any more; the long one has its turn.
    setup.clock.advance(Duration::from_secs(54));
    assert!(setup.server.wait_for(Operation::Extend, 2, PATIENCE).await);
    assert_eq!(long.commit(actual()).await.unwrap().status, CommitStatus::Committed);
    assert_eq!(client.notifications().take(), []);
}

#[tokio::test]
async fn a_lease_outlives_the_runtime_that_was_first_to_keep_one() {
    let setup = Setup::new().await;
    let client = setup.client(HeartbeatPolicy::Warn);
    let elsewhere = client.clone();
    let first = std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let guard = runtime.block_on(elsewhere.reserve(five_seconds())).unwrap();
        drop(runtime);
        guard
    });
    // Its runtime is gone, and with it whoever kept it.
    let first = tokio::task::spawn_blocking(|| first.join().unwrap()).await.unwrap();
    let second = client.reserve(five_seconds()).await.unwrap();
    setup.clock.advance(Duration::from_secs(2));
    assert!(setup.server.wait_for(Operation::Extend, 1, PATIENCE).await);
    setup.clock.advance(Duration::from_secs(4));
    assert_eq!(second.commit(actual()).await.unwrap().status, CommitStatus::Committed);
    setup.clock.advance(Duration::from_secs(5));
    assert_eq!(first.commit(actual()).await.unwrap().status, CommitStatus::RecoveredViaEvent);
}
