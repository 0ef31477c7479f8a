//! Settlement that survives the end of the process: a real child is killed while
//! the server holds its answer, and the ledger is compared with the truth.
//!
//! The child is `settle`, or the program of another language, which talks alike: see
//! `cargo xtask recovery --language` and `docs/adding-a-language.md`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use cycles_protocol::Operation;
use cycles_testkit::{Effect, Fault};
use serde_json::Value;

use world::{HELD, PATIENCE, World};

/// Names the program that spends, as a JSON list of it and its arguments.
const SPENDER: &str = "CYCLES_SPENDER";

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

/// The Rust program.
fn settle() -> Vec<String> {
    vec![env!("CARGO_BIN_EXE_settle").to_owned()]
}

/// The program of the language that is tested.
fn tested() -> Vec<String> {
    std::env::var(SPENDER).map_or_else(|_| settle(), |list| serde_json::from_str(&list).unwrap())
}

impl World {
    fn process(&self, program: &[String], key: &str, calls: &str) -> Spender {
        let mut command = Command::new(&program[0]);
        command.args(&program[1..]).arg(self.server.base_url()).arg(key).arg(self.journal.path());
        Spender(command.arg(calls).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }

    fn spender(&self, key: &str, calls: u32) -> Spender {
        self.process(&tested(), key, &calls.to_string())
    }

    /// What a Rust process that replays at `clock_ms` says.
    async fn restart_at(&self, clock_ms: i64) -> Value {
        let mut command = Command::new(&settle()[0]);
        command.args([self.server.base_url(), "cyc_test_old"]).arg(self.journal.path());
        command.args(["0", &clock_ms.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        Spender(command.spawn().unwrap()).report().await
    }

    /// Starts a process that replays, and answers what it says.
    async fn restart(&self, key: &str) -> Value {
        self.spender(key, 0).report().await
    }

    /// The time that the only record waits for, by the clock of who wrote it.
    fn not_before_ms(&self) -> i64 {
        let record =
            self.files().into_iter().find(|path| path.extension().is_some_and(|e| e == "json"));
        let record: Value = serde_json::from_slice(&fs::read(record.unwrap()).unwrap()).unwrap();
        record["not_before_ms"].as_i64().unwrap()
    }

    /// A process that was killed while its first commit was in flight.
    async fn killed_in_flight(&self) {
        self.killed_while_it_spends(&tested()).await;
    }

    async fn killed_while_it_spends(&self, program: &[String]) {
        self.inject(Operation::Commit, Effect::Delay(HELD));
        let spender = self.process(program, "cyc_test_old", "1");
        assert!(self.server.wait_for_faults(Operation::Commit, PATIENCE).await);
        assert_eq!(self.on_disk("\"commit_body\""), 1, "on disk before the commit arrived");
        drop(spender);
        assert_eq!(self.spent(), 0);
    }
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
    world.inject(Operation::Commit, Effect::Delay(HELD));
    let spender = world.spender("cyc_test_old", 1);
    assert!(world.server.wait_for_faults(Operation::Commit, PATIENCE).await);
    drop(spender);
    assert_eq!((world.server.count(Operation::Commit), world.spent()), (1, 5));
    let report = world.restart("cyc_test_old").await;
    assert_eq!(report["left"], 0, "{report}");
    // Another key would have been refused: the reservation is finalized.
    assert!(world.server.count(Operation::Commit) >= 2);
    assert_eq!((world.spent(), world.records()), (5, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_commit_switches_to_an_event_before_the_event_leaves() {
    let world = World::new().await;
    world.killed_in_flight().await;
    world.clock.advance(Duration::from_secs(3_600));

    world.inject(Operation::CreateEvent, Effect::Delay(HELD));
    let spender = world.spender("cyc_test_old", 0);
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
    let (status, retry_after) = (429, Some(Duration::from_secs(3_000)));
    world.inject(Operation::Commit, Effect::Status { status, code: None, retry_after });
    let report = world.spender("cyc_test_old", 1).report().await;
    assert_eq!(report["left"], 1, "{report}");
    assert_eq!(world.restart("cyc_test_old").await["left"], 1, "the time is not over");

    let not_before = world.not_before_ms();
    let early = world.restart_at(not_before - 1).await;
    assert_eq!((&early["left"], world.spent()), (&1.into(), 0), "{early}");
    let late = world.restart_at(not_before).await;
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
    let mut replaying = Vec::new();
    for key in ["cyc_test_old", "cyc_test_new"] {
        world.inject(Operation::Commit, Effect::Delay(HELD));
        replaying.push(world.spender(key, 0));
        assert!(world.server.wait_for_faults(Operation::Commit, PATIENCE).await, "in flight");
    }
    world.server.clear_faults();
    for process in &mut replaying {
        assert_eq!(process.report().await["left"], 0);
    }
    // The first process's own commit was cut off by its end, or came through now.
    assert!(world.server.count(Operation::Commit) >= 2);
    assert_eq!((world.spent(), world.records()), (5, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spend_that_no_authority_saw_survives_a_kill() {
    let world = World::new().await;
    let refused = Fault::new(Operation::CreateReservation, Effect::status(503));
    world.server.inject(refused.times(2)).unwrap();
    world.inject(Operation::CreateEvent, Effect::Delay(HELD));
    let spender = world.spender("cyc_test_old", 1);
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
    let mut endless = world.process(&tested(), "cyc_test_old", "endless");
    let id = endless.report().await["running"].as_str().unwrap().to_owned();
    assert!(id.starts_with("offline-"), "{id}");
    drop(endless);
    let report = world.restart("cyc_test_old").await;
    assert_eq!((&report["left"], &report["journal"]["lost"]), (&0.into(), &1.into()), "{report}");
    assert_eq!((world.server.count(Operation::CreateEvent), world.spent()), (0, 0));
    let lost = format!("{id}.lost");
    assert!(world.files().iter().any(|path| path.ends_with(&lost)), "{:?}", world.files());
}

/// The journal is one for all languages. For Rust alone this is the first test, twice.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_language_spent_another_books() {
    for (spends, books) in [(tested(), settle()), (settle(), tested())] {
        let world = World::new().await;
        world.killed_while_it_spends(&spends).await;
        let report = world.process(&books, "cyc_test_old", "0").report().await;
        assert_eq!(report["left"], 0, "{report}");
        assert_eq!((world.spent(), world.records()), (5, 0), "{spends:?}, then {books:?}");
    }
}
