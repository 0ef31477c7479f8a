//! Settlement that survives the end of the process: a real child is killed while
//! the server holds its answer, and the ledger is compared with the truth.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cycles_protocol::{ErrorCode, Operation, Unit};
use cycles_testkit::{Effect, Fault, ManualClock, TestServer, Transport};
use runcycles::models::Amount;
use runcycles::{CyclesClient, Settlement, WithCyclesConfig, with_cycles};
use serde_json::Value;

const SEED: &str = "
keys:
  - {name: old, secret: cyc_test_old, tenant_id: acme}
  - {name: new, secret: cyc_test_new, tenant_id: acme}
budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 1000}]";

/// Real time that a machine under load may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// By the server's clock; nothing in a test waits for it to pass.
const HELD: Duration = Duration::from_secs(24 * 3_600);

struct World {
    server: TestServer,
    clock: ManualClock,
    journal: tempfile::TempDir,
}

/// A process that is killed when the test is over, if not before.
struct Spender(Child);

impl Drop for Spender {
    fn drop(&mut self) {
        // SIGKILL on Unix: nothing runs any more in the child.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Spender {
    /// What it says once it is done.
    async fn report(&mut self) -> Value {
        let mut lines = BufReader::new(self.0.stdout.take().unwrap()).lines();
        let line = tokio::task::spawn_blocking(move || lines.next()).await.unwrap();
        serde_json::from_str(&line.unwrap().unwrap()).unwrap()
    }
}

impl World {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let server = TestServer::start_with_clock(SEED, clock.clone()).await.unwrap();
        Self { server, clock, journal: tempfile::tempdir().unwrap() }
    }

    fn inject(&self, operation: Operation, effect: Effect) {
        self.server.inject(Fault::new(operation, effect)).unwrap();
    }

    fn spender(&self, key: &str, calls: u32, clock_ms: Option<i64>) -> Spender {
        self.process(key, &calls.to_string(), clock_ms)
    }

    fn process(&self, key: &str, calls: &str, clock_ms: Option<i64>) -> Spender {
        let mut command = Command::new(env!("CARGO_BIN_EXE_settle"));
        command.arg(self.server.base_url()).arg(key).arg(self.journal.path());
        command.arg(calls).args(clock_ms.map(|ms| ms.to_string()));
        Spender(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Starts a process that replays, and answers what it says.
    async fn restart(&self, key: &str) -> Value {
        self.spender(key, 0, None).report().await
    }

    /// A process that was killed while its first commit was in flight.
    async fn killed_in_flight(&self) {
        self.inject(Operation::Commit, Effect::Delay(HELD));
        let spender = self.spender("cyc_test_old", 1, None);
        assert!(self.server.wait_for_faults(Operation::Commit, PATIENCE).await);
        assert_eq!(self.on_disk("\"commit_body\""), 1, "on disk before the commit arrived");
        drop(spender);
        assert_eq!(self.spent(), 0);
    }

    fn files(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.journal.path()).unwrap();
        folders
            .flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap())
            .map(|file| file.unwrap().path())
            .collect()
    }

    /// How many files of the journal hold `text`.
    fn on_disk(&self, text: &str) -> usize {
        let holds = |path: &PathBuf| {
            let bytes = fs::read(path).unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        };
        self.files().iter().filter(|path| holds(path)).count()
    }

    fn records(&self) -> usize {
        self.files().iter().filter(|path| path.extension().is_some_and(|e| e == "json")).count()
    }

    fn spent(&self) -> i64 {
        self.server.budget("tenant:acme", Unit::Tokens).unwrap().spent.amount
    }

    /// A client in this process, on the server's clock, with the journal. In a
    /// runtime of one thread its first replay looks before anything is spent.
    fn client(&self) -> CyclesClient {
        let builder = CyclesClient::builder("", "").tenant("acme").journal_dir(self.journal.path());
        self.server.client_with(builder, Some("old"), Transport::Http).unwrap()
    }
}

async fn guarded(client: &CyclesClient) -> &'static str {
    let call = WithCyclesConfig::new(Amount::tokens(5)).action("llm", "m");
    with_cycles(client, call, |_| async { Ok(("done", Amount::tokens(5))) }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_in_flight_survives_a_kill() {
    let world = World::new().await;
    world.killed_in_flight().await;
    let report = world.restart("cyc_test_old").await;
    assert_eq!(report["left"], 0, "{report}");
    assert_eq!((world.spent(), world.records()), (5, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_applied_before_the_kill_settles_once() {
    let world = World::new().await;
    world.inject(Operation::Commit, Effect::DropAfter);
    let now = Some(world.clock.now_ms());
    let spender = world.spender("cyc_test_old", 1, now);
    assert!(world.server.wait_for(Operation::Commit, 1, PATIENCE).await);
    drop(spender);
    let report = world.restart("cyc_test_old").await;
    assert_eq!(report["left"], 0, "{report}");
    // Another key would have been refused: the reservation is finalized.
    assert_eq!(world.server.count(Operation::Commit), 2);
    assert_eq!((world.spent(), world.records()), (5, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_commit_switches_to_an_event_before_the_event_leaves() {
    let world = World::new().await;
    world.killed_in_flight().await;
    world.clock.advance(Duration::from_secs(3_600));

    world.inject(Operation::CreateEvent, Effect::Delay(HELD));
    let spender = world.spender("cyc_test_old", 0, None);
    assert!(world.server.wait_for_faults(Operation::CreateEvent, PATIENCE).await);
    assert_eq!(world.on_disk("\"mode\":\"event\""), 1, "switched before the event arrived");
    drop(spender);

    // Fires if the commit is tried again.
    world.inject(Operation::Commit, Effect::DropBefore);
    let report = world.restart("cyc_test_old").await;
    assert_eq!(report["left"], 0, "{report}");
    assert_eq!(world.server.pending_faults().len(), 1);
    assert_eq!(world.server.count(Operation::CreateEvent), 1);
    assert_eq!((world.spent(), world.records()), (5, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_survives_a_restart() {
    let world = World::new().await;
    let (status, retry_after) = (429, Some(Duration::from_secs(60)));
    world.inject(Operation::Commit, Effect::Status { status, code: None, retry_after });
    let start = world.clock.now_ms();
    let report = world.spender("cyc_test_old", 1, Some(start)).report().await;
    assert_eq!(report["left"], 1, "{report}");
    assert_eq!(world.on_disk(&format!("\"not_before_ms\":{}", start + 60_000)), 1);

    let early = world.spender("cyc_test_old", 0, Some(start + 59_999)).report().await;
    assert_eq!((&early["left"], world.spent()), (&1.into(), 0), "{early}");
    let late = world.spender("cyc_test_old", 0, Some(start + 60_000)).report().await;
    assert_eq!(late["left"], 0, "{late}");
    assert_eq!((world.spent(), world.records()), (5, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_s_journal_survives_the_rotation_of_its_key() {
    let world = World::new().await;
    world.killed_in_flight().await;
    assert_eq!(world.on_disk("cyc_test_old"), 0, "the key is not stored");
    let report = world.restart("cyc_test_new").await;
    assert_eq!(report["left"], 0, "{report}");
    assert_eq!((world.spent(), world.records()), (5, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_records_are_set_aside_and_reported_and_good_ones_replay() {
    let world = World::new().await;
    world.killed_in_flight().await;
    let folder = world.files()[0].parent().unwrap().to_owned();
    fs::write(folder.join("half.json"), r#"{"version":1,"reser"#).unwrap();
    let newer = r#"{"version":2,"reservation_id":"r","commit_body":{"idempotency_key":"k"}}"#;
    fs::write(folder.join("newer.json"), newer).unwrap();

    let report = world.restart("cyc_test_old").await;
    assert_eq!((&report["left"], &report["journal"]["quarantined"]), (&0.into(), &2.into()));
    assert_eq!((world.spent(), world.records()), (5, 0));
    assert_eq!(fs::read_to_string(folder.join("newer.corrupt")).unwrap(), newer);
    assert!(folder.join("half.corrupt").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_replay_one_record_settle_it_once() {
    let world = World::new().await;
    world.killed_in_flight().await;
    world.server.inject(Fault::new(Operation::Commit, Effect::Delay(HELD)).times(2)).unwrap();
    let mut one = world.spender("cyc_test_old", 0, None);
    let mut other = world.spender("cyc_test_new", 0, None);
    assert!(world.server.wait_for_faults(Operation::Commit, PATIENCE).await, "both are in flight");
    world.server.clear_faults();
    let (one, other) = (one.report().await, other.report().await);
    assert_eq!((&one["left"], &other["left"]), (&0.into(), &0.into()));
    // The first process's own commit was cut off by its end, or came through now.
    assert!(world.server.count(Operation::Commit) >= 2);
    assert_eq!((world.spent(), world.records()), (5, 0));
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
    let world = World::new().await;
    let client = world.client();
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
    let client = world.client();
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
        let client = world.client();
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
    let client = world.client();
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

#[tokio::test(flavor = "multi_thread")]
async fn a_spend_that_no_authority_saw_survives_a_kill() {
    let world = World::new().await;
    let refused = Fault::new(Operation::CreateReservation, Effect::status(503));
    world.server.inject(refused.times(2)).unwrap();
    world.inject(Operation::CreateEvent, Effect::Delay(HELD));
    let spender = world.spender("cyc_test_old", 1, None);
    assert!(world.server.wait_for_faults(Operation::CreateEvent, PATIENCE).await);
    assert_eq!(world.on_disk("\"mode\":\"event\""), 1, "on disk before the event arrived");
    drop(spender);
    assert_eq!(world.spent(), 0);
    let report = world.restart("cyc_test_old").await;
    assert_eq!((&report["left"], &report["journal"]["lost"]), (&0.into(), &0.into()), "{report}");
    assert_eq!(world.server.count(Operation::CreateReservation), 0);
    assert_eq!((world.spent(), world.records()), (5, 0));
}

/// CR-BOUNDARY-001: what it cost is unknown, so nothing is booked, and it is seen.
#[tokio::test(flavor = "multi_thread")]
async fn work_that_no_authority_saw_and_that_was_killed_is_reported_and_not_booked() {
    let world = World::new().await;
    let refused = Fault::new(Operation::CreateReservation, Effect::status(503));
    world.server.inject(refused.times(2)).unwrap();
    let mut endless = world.process("cyc_test_old", "endless", None);
    let id = endless.report().await["running"].as_str().unwrap().to_owned();
    assert!(id.starts_with("offline-"), "{id}");
    drop(endless);
    let report = world.restart("cyc_test_old").await;
    assert_eq!((&report["left"], &report["journal"]["lost"]), (&0.into(), &1.into()), "{report}");
    assert_eq!((world.server.count(Operation::CreateEvent), world.spent()), (0, 0));
    let lost = format!("{id}.lost");
    assert!(world.files().iter().any(|path| path.ends_with(&lost)), "{:?}", world.files());
}
