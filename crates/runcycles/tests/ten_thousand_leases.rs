//! Ten thousand leases at once: how many threads they take, and that all are kept.
//!
//! A program of its own, so that the threads counted are the leases' only.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use cycles_testkit::{ManualClock, TestServer, Transport};
use futures_util::{StreamExt, stream};
use libtest_mimic::{Arguments, Trial};
use runcycles::models::{Action, Amount, CommitRequest, ReservationCreateRequest, Unit};
use runcycles::{CyclesClient, ReservationGuard, Settlement};

const LEASES: usize = 10_000;
/// Issue 4, item 4: the main thread, the runtime's, and the journal's.
const MAX_THREADS: usize = 5;
const WORKERS: usize = 2;
const TTL_MS: i64 = 60_000;
const PATIENCE: Duration = Duration::from_secs(120);
/// Of a reservation, its lease and its connection's share, on both sides: the
/// server is in this process too.
const MAX_BYTES_PER_LEASE: usize = 32 * 1_024;
const SEED: &str = r#"
tenants: [{tenant_id: acme}]
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets: [{scope: "tenant:acme", unit: TOKENS, allocated: 1000000}]
"#;

fn main() -> std::process::ExitCode {
    // On the main thread: one of its own would be counted.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let trial = Trial::test("ten_thousand_leases_take_five_threads", || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build()?;
        runtime.block_on(keep_ten_thousand());
        Ok(())
    });
    // The kernel is asked through /proc.
    let trial = trial.with_ignored_flag(!cfg!(target_os = "linux"));
    libtest_mimic::run(&arguments, vec![trial]).exit_code()
}

async fn keep_ten_thousand() {
    let journal = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let server = TestServer::start_with_clock(SEED, clock.clone()).await.unwrap();
    let builder = CyclesClient::builder("", "").tenant("acme").journal_dir(journal.path());
    let client = server.client_with(builder, None, Transport::Http).unwrap();
    let start_ms = clock.now_ms();
    let before = memory();
    let guards: Vec<_> = stream::iter(0..LEASES)
        .map(|_| client.reserve(request()))
        .buffer_unordered(64)
        .map(Result::unwrap)
        .collect()
        .await;
    let each = memory().saturating_sub(before) / LEASES;
    let mut most = threads();
    // The first extension adds to a whole lease, so that every further one is due
    // a lease later.
    for (beat, seconds) in (1..).zip([55, 60, 60]) {
        clock.advance(Duration::from_secs(seconds));
        let extended = all_reach(&guards, start_ms + (beat + 1) * TTL_MS);
        let kept = tokio::time::timeout(PATIENCE, extended).await.is_ok();
        let failures = client.notifications().take();
        assert!(kept && failures.is_empty(), "beat={beat} {failures:?}");
        most = most.max(threads());
    }
    let settled: Vec<_> = stream::iter(guards)
        .map(|guard| guard.settle(CommitRequest::builder().actual(Amount::tokens(1)).build()))
        .buffer_unordered(64)
        .collect()
        .await;
    most = most.max(threads());
    assert!(settled.iter().all(|settlement| matches!(settlement, Settlement::Committed(_))));
    assert_eq!(client.notifications().take(), []);
    let budget = server.budget("tenant:acme", Unit::Tokens).unwrap();
    assert_eq!(budget.spent.amount, i64::try_from(LEASES).unwrap());
    assert_eq!(client.journal_stats().unwrap().degraded, None, "the journal's thread is counted");
    assert!(most <= MAX_THREADS, "threads={most}");
    assert!(each < MAX_BYTES_PER_LEASE, "bytes={each}");
}

/// Waits until every guard has read the answer to its extension: a clock that
/// moves before that makes the answer a slow one.
async fn all_reach(guards: &[ReservationGuard], expires_at_ms: i64) {
    for guard in guards {
        while guard.expires_at_ms() != Some(expires_at_ms) {
            tokio::task::yield_now().await;
        }
    }
}

fn request() -> ReservationCreateRequest {
    ReservationCreateRequest::builder()
        .action(Action::new("llm", "m"))
        .estimate(Amount::tokens(10))
        .ttl_ms(TTL_MS)
        .build()
}

/// Threads of this process.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

/// Resident bytes of this process.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    let kilobytes: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kilobytes * 1_024
}
