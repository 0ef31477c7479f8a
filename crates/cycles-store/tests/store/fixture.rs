//! An engine over a directory of its own, on a clock that moves when told.

use std::borrow::Borrow;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use cycles_engine::durable::DurableStore;
use cycles_engine::{Engine, LocalAuthority, OpenError, Seed};
use cycles_protocol::{
    Action, Amount, Authority, Call, Clock, CommitRequest, Error, Random, ReleaseRequest,
    ReservationCreateRequest, ReservationCreateResponse, ReservationId, Subject, SystemRandom,
};
use cycles_store::{Options, SqliteStore};
use tempfile::TempDir;

pub(crate) const START: i64 = 1_800_000_000_000;
pub(crate) const SECRET: &str = "cyc_test_acme";

pub(crate) const SEED: &str = "
tenants: [{tenant_id: acme, max_reservation_extensions: 3}, {tenant_id: Globex}]
keys:
  - {name: default, secret: cyc_test_acme, tenant_id: acme}
  - {name: reader, secret: cyc_test_reader, tenant_id: acme, permissions: ['balances:read'], scope_filter: ['agent:bot']}
  - {name: other, secret: cyc_test_globex, tenant_id: Globex}
budgets:
  - {scope: 'tenant:acme', unit: TOKENS, allocated: 100000}
  - {scope: 'tenant:acme/agent:bot', unit: TOKENS, allocated: 50000, spent: 5, debt: 3, overdraft_limit: 7, commit_overage_policy: ALLOW_WITH_OVERDRAFT, caps: {max_tokens: 9, at_utilization: 1}}
  - {scope: 'tenant:acme/agent:ice', unit: TOKENS, allocated: 10, status: FROZEN}
  - {scope: 'tenant:globex', unit: TOKENS, allocated: 100000}
policies:
  - {scope_pattern: 'tenant:acme', caps: {tool_denylist: [rm]}, reservation_ttl_override: {default_ttl_ms: 30000}}
";

#[derive(Debug)]
pub(crate) struct ManualClock(AtomicI64);

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep_until(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }
}

/// The same ids again and again, so that two engines can be compared.
#[derive(Debug, Default)]
pub(crate) struct Counting(AtomicU64);

impl Random for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        let mut dice = fastrand::Rng::with_seed(self.0.fetch_add(1, Ordering::SeqCst));
        dice.fill(bytes);
    }
}

/// A directory, a clock and the engine over both.
pub(crate) struct Plant {
    pub(crate) directory: TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) engine: Option<Engine>,
}

impl Plant {
    pub(crate) fn new() -> Self {
        Self::seeded(SEED)
    }

    pub(crate) fn seeded(seed: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock(AtomicI64::new(START)));
        let (engine, is_new) = open(directory.path(), seed, &clock).unwrap();
        assert!(is_new);
        Self { directory, clock, engine: Some(engine) }
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.engine.as_ref().unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        Client(self.engine().local(SECRET))
    }

    pub(crate) fn advance(&self, ms: i64) {
        self.clock.0.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn ledger(&self) -> std::path::PathBuf {
        self.directory.path().join("ledger.db")
    }

    /// Ends the engine and starts another one over the directory.
    pub(crate) fn restart(&mut self) {
        self.stop();
        let (engine, is_new) = open(self.directory.path(), SEED, &self.clock).unwrap();
        assert!(!is_new, "the ledger has its tenants");
        self.engine = Some(engine);
    }

    pub(crate) fn stop(&mut self) {
        self.engine = None;
    }

    /// A copy of the directory as a killed process would leave it.
    pub(crate) fn killed(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(self.directory.path()).unwrap() {
            let entry = entry.unwrap();
            // What is locked and what is mapped are the process's own.
            if !["cycles.lock", "ledger.db-shm"].iter().any(|name| entry.file_name() == *name) {
                std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
            }
        }
        copy
    }
}

pub(crate) fn open(
    directory: &Path,
    seed: &str,
    clock: &Arc<ManualClock>,
) -> Result<(Engine, bool), OpenError> {
    // Few enough for a test to have keys in memory and in the table.
    let options = Options { keys_together: 8, ..Options::default() };
    let store = SqliteStore::with(directory, options)
        .map_err(|error| OpenError::Store(error.to_string()))?;
    let clock = Arc::<ManualClock>::clone(clock);
    let seed = Seed::from_yaml(seed).unwrap();
    let store: Arc<dyn DurableStore> = Arc::new(store);
    Engine::open(&store, &seed, clock, Arc::new(Counting::default()))
}

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) fn call() -> Call {
    Call::new(&SystemRandom)
}

/// A client of one key.
pub(crate) struct Client(pub(crate) LocalAuthority);

impl Client {
    pub(crate) fn reserve(
        &self,
        request: impl Borrow<ReservationCreateRequest>,
    ) -> Result<ReservationCreateResponse, Error> {
        wait(self.0.create_reservation(&call(), request.borrow())).map(|answer| answer.value)
    }

    pub(crate) fn hold(&self, key: &str, amount: i64) -> ReservationId {
        self.reserve(create(key, amount)).unwrap().reservation_id.unwrap()
    }

    pub(crate) fn commit(&self, id: &ReservationId, key: &str, amount: i64) -> String {
        let request =
            CommitRequest::builder().idempotency_key(key).actual(Amount::tokens(amount)).build();
        told(wait(self.0.commit(&call(), id, &request)))
    }

    pub(crate) fn release(&self, id: &ReservationId, key: &str) -> String {
        let request = ReleaseRequest::builder().idempotency_key(key).build();
        told(wait(self.0.release(&call(), id, request)))
    }

    pub(crate) fn reserve_told(&self, key: &str, amount: i64) -> String {
        told(wait(self.0.create_reservation(&call(), &create(key, amount))))
    }
}

/// An answer or a refusal, as text to compare.
pub(crate) fn told<T: serde::Serialize>(
    answer: Result<cycles_protocol::Answer<T>, Error>,
) -> String {
    match answer {
        Ok(answer) => serde_json::to_string(&answer.value).unwrap(),
        Err(error) => error.to_string(),
    }
}

pub(crate) fn create(key: &str, amount: i64) -> ReservationCreateRequest {
    ReservationCreateRequest::builder()
        .idempotency_key(key)
        .subject(Subject { agent: Some("bot".into()), ..Subject::default() })
        .action(Action::new("llm.completion", "gpt-4o-mini"))
        .estimate(Amount::tokens(amount))
        .build()
}
