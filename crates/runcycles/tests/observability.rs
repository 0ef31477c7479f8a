//! What can be seen of a client from outside: metrics and notifications.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::time::Duration;

use cycles_protocol::Operation;
use cycles_testkit::{Effect, Fault, ManualClock, TestServer, Transport};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use runcycles::models::{Action, Amount, CommitRequest, ErrorCode, ReservationCreateRequest};
use runcycles::{CyclesClient, Notification, Settlement};

const SEED: &str = r#"
tenants: [{tenant_id: acme}]
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets: [{scope: "tenant:acme", unit: TOKENS, allocated: 1000}]
"#;
const PATIENCE: Duration = Duration::from_secs(10);

struct Setup {
    server: TestServer,
    clock: ManualClock,
    client: CyclesClient,
    journal: tempfile::TempDir,
}

async fn setup() -> Setup {
    let clock = ManualClock::default();
    let server = TestServer::start_with_clock(SEED, clock.clone()).await.unwrap();
    let journal = tempfile::tempdir().unwrap();
    let builder = CyclesClient::builder("", "").tenant("acme").journal_dir(journal.path());
    let client = server.client_with(builder, None, Transport::Http).unwrap();
    Setup { server, clock, client, journal }
}

impl Setup {
    fn inject(&self, operation: Operation, status: u16, code: ErrorCode) {
        let effect = Effect::Status { status, code: Some(code), retry_after: None };
        self.server.inject(Fault::new(operation, effect)).unwrap();
    }

    async fn notification(&self) -> Notification {
        let notifications = self.client.notifications();
        let batch = tokio::time::timeout(PATIENCE, notifications.next()).await.unwrap().unwrap();
        let [one] = <[_; 1]>::try_from(batch).unwrap();
        one
    }
}

fn request() -> ReservationCreateRequest {
    ReservationCreateRequest::builder()
        .action(Action::new("llm", "m"))
        .estimate(Amount::tokens(100))
        .ttl_ms(5_000)
        .build()
}

fn actual() -> CommitRequest {
    CommitRequest::builder().actual(Amount::tokens(60)).build()
}

fn outcome(notification: &Notification) -> &'static str {
    match notification {
        Notification::Settlement { outcome, .. } => outcome,
        other => panic!("{other:?}"),
    }
}

/// Counters and gauges by name and labels; histograms by how much they saw.
fn seen(snapshots: &Snapshotter) -> HashMap<String, f64> {
    let metrics = snapshots.snapshot().into_vec().into_iter();
    metrics
        .map(|(key, _, _, value)| {
            let (_, key) = key.into_parts();
            let labels = key.labels().map(|label| format!(",{}={}", label.key(), label.value()));
            #[expect(clippy::cast_precision_loss, reason = "small counts")]
            let value = match value {
                DebugValue::Counter(count) => count as f64,
                DebugValue::Gauge(value) => value.into_inner(),
                DebugValue::Histogram(values) => values.len() as f64,
            };
            (format!("{}{}", key.name(), labels.collect::<String>()), value)
        })
        .collect()
}

/// One thread, so that the recorder and the subscriber of this thread see all.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}

#[test]
fn calls_settlements_leases_and_retries_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    let _recording = metrics::set_default_local_recorder(&recorder);
    run(async {
        let setup = setup().await;
        setup.inject(Operation::Commit, 503, ErrorCode::InternalError);
        let guard = setup.client.reserve(request()).await.unwrap();
        assert!(matches!(guard.settle(actual()).await, Settlement::Pending(_)));
        assert_eq!(outcome(&setup.notification().await), "pending");
        setup.clock.advance(Duration::from_secs(1));
        assert_eq!(outcome(&setup.notification().await), "committed");
        let guard = setup.client.reserve(request()).await.unwrap();
        setup.inject(Operation::Extend, 409, ErrorCode::MaxExtensionsExceeded);
        setup.clock.advance(Duration::from_secs(2));
        setup.notification().await;
        let seen = seen(&snapshots);
        for (metric, value) in [
            ("cycles_client_calls_total,operation=create_reservation,outcome=ok", 2.0),
            ("cycles_client_calls_total,operation=commit,outcome=failed", 1.0),
            ("cycles_client_calls_total,operation=commit,outcome=ok", 1.0),
            ("cycles_client_calls_total,operation=extend,outcome=refused", 1.0),
            ("cycles_client_call_duration_seconds,operation=commit", 2.0),
            ("cycles_client_retries_total,operation=commit", 1.0),
            ("cycles_client_settlements_total,outcome=pending", 1.0),
            ("cycles_client_settlements_total,outcome=committed", 1.0),
            ("cycles_client_heartbeat_failures_total,disposition=stopped", 1.0),
            ("cycles_client_leases", 1.0),
        ] {
            assert_eq!(seen.get(metric), Some(&value), "{metric} {seen:?}");
        }
        drop(guard);
    });
}

#[test]
fn what_the_journal_holds_is_told_and_counted() {
    run(async {
        let setup = setup().await;
        setup.inject(Operation::Commit, 401, ErrorCode::Unauthorized);
        let guard = setup.client.reserve(request()).await.unwrap();
        assert!(matches!(guard.settle(actual()).await, Settlement::Pending(_)));
        assert_eq!(outcome(&setup.notification().await), "retained");
        let stats = setup.client.journal_stats().unwrap();
        assert_eq!(stats.depth, 1);
        assert_eq!(setup.client.flush_pending_commits().await, 0);
        assert_eq!(outcome(&setup.notification().await), "committed");
        assert_eq!(setup.client.journal_stats().unwrap().depth, 0);
    });
}

#[test]
fn a_journal_that_does_not_work_is_told_once() {
    run(async {
        let setup = setup().await;
        let file = setup.journal.path().join("a file");
        std::fs::write(&file, "").unwrap();
        let builder = CyclesClient::builder("", "").tenant("acme").journal_dir(&file);
        let client = setup.server.client_with(builder, None, Transport::Http).unwrap();
        for _ in 0..2 {
            let guard = client.reserve(request()).await.unwrap();
            assert!(matches!(guard.settle(actual()).await, Settlement::Committed(_)));
        }
        let told = client.notifications().take();
        assert!(matches!(&told[..], [Notification::JournalDegraded { .. }]), "{told:?}");
        assert_eq!(client.flush_pending_commits().await, 0);
        assert_eq!(client.journal_stats().unwrap().depth, 0, "all is booked");
    });
}
