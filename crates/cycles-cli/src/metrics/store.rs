//! What the store does: told step by step, on its writer's thread.

use std::sync::{Arc, Weak};
use std::time::Duration;

use cycles_engine::durable::{DurableStore, Health};
use cycles_protocol::{Clock, SystemClock};
use cycles_store::{Observer, SqliteStore, Step};
use parking_lot::{Mutex, RwLock};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::BUCKETS;

/// The figures of one store; those of a backlog are set when somebody asks.
#[derive(Debug)]
pub(crate) struct StoreMetrics {
    clock: SystemClock,
    /// When the step before was.
    last: Mutex<Duration>,
    requests: Counter,
    commits: Counter,
    apply: Histogram,
    sync: Histogram,
    checkpoint: Histogram,
    backlog: Gauge,
    backlog_age_ms: Gauge,
    read_only: Gauge,
    /// The writer holds these metrics, so they do not hold the store.
    store: RwLock<Weak<SqliteStore>>,
}

impl StoreMetrics {
    pub(crate) fn new() -> Arc<Self> {
        let histogram = || Histogram::new(BUCKETS);
        Arc::new(Self {
            clock: SystemClock::new(),
            last: Mutex::default(),
            requests: Counter::default(),
            commits: Counter::default(),
            apply: histogram(),
            sync: histogram(),
            checkpoint: histogram(),
            backlog: Gauge::default(),
            backlog_age_ms: Gauge::default(),
            read_only: Gauge::default(),
            store: RwLock::default(),
        })
    }

    /// What a store is opened with, to be told.
    pub(crate) fn observer(self: &Arc<Self>) -> Observer {
        let metrics = Arc::clone(self);
        Arc::new(move |step| metrics.saw(step))
    }

    /// Whose backlog it is.
    pub(crate) fn of(&self, store: &Arc<SqliteStore>) {
        *self.store.write() = Arc::downgrade(store);
    }

    fn saw(&self, step: Step) {
        let now = self.clock.monotonic();
        let took = now.saturating_sub(std::mem::replace(&mut *self.last.lock(), now));
        let seconds = took.as_secs_f64();
        match step {
            Step::Taken(requests) => _ = self.requests.inc_by(requests as u64),
            Step::Writing => self.apply.observe(seconds),
            Step::Written => {
                self.sync.observe(seconds);
                self.commits.inc();
            }
            Step::Checkpointing => {}
            Step::Checkpointed => self.checkpoint.observe(seconds),
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let (requests, commits) = (self.requests.clone(), self.commits.clone());
        registry.register("cycles_store_requests", "Requests that were written", requests);
        registry.register("cycles_store_commits", "Transactions on disk", commits);
        let mut seconds = |name, help, histogram: &Histogram| {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        };
        seconds("cycles_store_apply", "Writing a batch, before it is synced", &self.apply);
        seconds("cycles_store_sync", "Committing a batch: the wait for the disk", &self.sync);
        seconds("cycles_store_checkpoint", "Putting the log in its place", &self.checkpoint);
        let backlog = self.backlog.clone();
        registry.register("cycles_store_backlog", "Requests that wait to be written", backlog);
        registry.register(
            "cycles_store_backlog_age_milliseconds",
            "How long the first of them waits",
            self.backlog_age_ms.clone(),
        );
        registry.register(
            "cycles_store_read_only",
            "1 where the store failed and the server only reads",
            self.read_only.clone(),
        );
    }

    pub(super) fn scrape(&self) {
        let Some(store) = self.store.read().upgrade() else { return };
        let backlog = store.backlog();
        self.backlog.set(super::count(backlog.requests));
        self.backlog_age_ms.set(i64::try_from(backlog.age.as_millis()).unwrap_or(i64::MAX));
        self.read_only.set(i64::from(store.standing().health != Health::Keeping));
    }
}
