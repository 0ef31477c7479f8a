//! A test server with a journal beside it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use cycles_protocol::{Operation, Unit};
use cycles_testkit::{Effect, Fault, ManualClock, TestServer};

const SEED: &str = "
keys:
  - {name: old, secret: cyc_test_old, tenant_id: acme}
  - {name: new, secret: cyc_test_new, tenant_id: acme}
budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 1000}]";

/// Real time that a machine under load may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// By the server's clock; nothing in a test waits for it to pass.
pub(crate) const HELD: Duration = Duration::from_secs(24 * 3_600);

pub(crate) struct World {
    pub(crate) server: TestServer,
    pub(crate) clock: ManualClock,
    pub(crate) journal: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = ManualClock::default();
        let server = TestServer::start_with_clock(SEED, clock.clone()).await.unwrap();
        Self { server, clock, journal: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn inject(&self, operation: Operation, effect: Effect) {
        self.server.inject(Fault::new(operation, effect)).unwrap();
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let folders = fs::read_dir(self.journal.path()).unwrap();
        folders
            .flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap())
            .map(|file| file.unwrap().path())
            .collect()
    }

    /// How many files of the journal hold `text`.
    pub(crate) fn on_disk(&self, text: &str) -> usize {
        let holds = |path: &PathBuf| {
            let bytes = fs::read(path).unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        };
        self.files().iter().filter(|path| holds(path)).count()
    }

    pub(crate) fn records(&self) -> usize {
        self.files().iter().filter(|path| path.extension().is_some_and(|e| e == "json")).count()
    }

    pub(crate) fn spent(&self) -> i64 {
        self.server.budget("tenant:acme", Unit::Tokens).unwrap().spent.amount
    }
}
