//! The simulation of the test kit over a directory: the engine ends now and then,
//! and its successor must know all that the model does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cycles_engine::Engine;
use cycles_engine::durable::DurableStore;
use cycles_store::{Options, SqliteStore};
use cycles_testkit::simulation::{Failure, Report, Simulation};
use rusqlite::Connection;

/// Commands of a run; each waits for the disk.
const STEPS: u64 = 2_000;

/// A run over a directory of its own; `meddle` comes to it between two engines.
fn run(seed: u64, meddle: impl Fn(&Path) + 'static) -> Result<Report, Failure> {
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().to_owned();
    let mut is_new = true;
    let open = move |seed: &_, clock, ids| {
        if !is_new {
            meddle(&path);
        }
        is_new = false;
        // Keys are filed now and then between two restarts.
        let options = Options { keys_together: 40, ..Options::default() };
        let store = SqliteStore::with(&path, options).map_err(|error| error.to_string())?;
        let store: Arc<dyn DurableStore> = Arc::new(store);
        let opened = Engine::open(&store, seed, clock, ids).map_err(|error| error.to_string());
        opened.map(|(engine, _)| engine)
    };
    Simulation::new(seed).kept_by(open).run(steps(), |_| {})
}

/// More where nobody waits: `CYCLES_SIMULATION_STEPS`.
fn steps() -> u64 {
    let asked = std::env::var("CYCLES_SIMULATION_STEPS").ok();
    asked.map_or(STEPS, |steps| steps.parse().expect("a number of commands"))
}

fn nothing(_: &Path) {}

#[test]
fn what_restarts_is_what_the_model_says() {
    let runs = [21, 22].map(|seed| std::thread::spawn(move || run(seed, nothing)));
    let reports = runs.map(|run| run.join().unwrap().unwrap_or_else(|failure| panic!("{failure}")));
    for report in &reports {
        // A run in which nothing happens agrees too; these must not be it.
        for outcome in [
            ("restart", "OK"),
            ("create_reservation", "ALLOW"),
            ("commit", "OK"),
            ("release", "OK"),
            ("extend", "OK"),
            ("create_event", "OK"),
            ("fund_budget", "OK"),
            ("list_reservations", "OK"),
        ] {
            let key = (outcome.0, outcome.1.to_owned());
            assert!(report.answers.contains_key(&key), "{outcome:?} is not in {report}");
        }
    }
}

/// Changes the ledger while no engine has it, so that no check of files sees it.
fn changing(sql: &'static str) -> impl Fn(&Path) + 'static {
    move |directory| {
        let ledger = Connection::open(directory.join("ledger.db")).unwrap();
        ledger.execute_batch(sql).unwrap();
        drop(ledger);
        for beside in ["ledger.sums", "ledger.answered"] {
            _ = std::fs::remove_file(directory.join(beside));
        }
    }
}

#[test]
fn a_store_that_forgets_or_changes_something_is_caught() {
    for (sql, what) in [
        ("DELETE FROM replay", "answers"),
        ("UPDATE reservation SET expires_at = expires_at + 1 WHERE state = 0", "leases"),
        ("UPDATE budget SET spent = spent + 1", "amounts"),
        ("UPDATE budget SET periods = NULL", "periods"),
        ("DELETE FROM reservation WHERE state = 1", "ended reservations"),
        ("DELETE FROM reservation_key", "keys"),
    ] {
        let caught = [21, 22].into_iter().find_map(|seed| run(seed, changing(sql)).err());
        let failure = caught.unwrap_or_else(|| panic!("nobody notices that {what} are different"));
        assert!(failure.is_kept && failure.step > 0, "{failure}");
        assert!(!failure.what.contains("start again"), "it is not even asked: {failure}");
    }
}
