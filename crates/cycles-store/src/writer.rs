//! The one thread that writes: whatever has come together is one transaction,
//! and so one wait for the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cycles_engine::durable::{Changes, Health};
use cycles_protocol::{Clock, SystemClock};
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;

use crate::apply::{self, Tenants};
use crate::checkpoint::Checkpoints;
use crate::error::{advice, is_for_lack_of_space};
use crate::keys::Numbers;
use crate::progress::Progress;
use crate::reader;
use crate::steps::{Options, Step};
use crate::tidy::Tidier;

/// Bytes for which there must be space before a full disk is no longer one.
const PROBE: i64 = 1 << 20;

/// What waits to be written.
#[derive(Debug, Default)]
struct Queue {
    batch: Vec<Changes>,
    /// Since when the first of them waits, on the store's own clock.
    since: Duration,
    /// The number of the last changes that were taken.
    appended: u64,
    /// Times of a tidy that was asked for: now, and before when what has ended.
    tidy: Option<(i64, i64)>,
    stop: bool,
    /// Nothing is written now.
    held: bool,
}

/// What waits to be written while the disk is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backlog {
    /// Requests.
    pub requests: usize,
    /// How long the first of them waits; at most, where a batch has a limit.
    pub age: Duration,
}

/// One transaction's.
struct Work {
    batch: Vec<Changes>,
    /// The number of its last changes.
    last: u64,
    /// As in the queue.
    tidy: Option<(i64, i64)>,
}

/// What the writer and everyone else share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    clock: SystemClock,
    queue: Mutex<Queue>,
    more: Condvar,
    pub(crate) progress: Progress,
}

impl Shared {
    pub(crate) fn append(&self, changes: Changes) -> u64 {
        let mut queue = self.queue.lock();
        match self.progress.health() {
            Health::Keeping => {
                queue.batch.push(changes);
                queue.appended += 1;
                if queue.batch.len() == 1 {
                    queue.since = self.clock.monotonic();
                    self.more.notify_one();
                }
                queue.appended
            }
            // Never durable: whoever waits for it is told.
            Health::Failed => queue.appended + 1,
            // Time goes on in memory, and nobody needs that on disk.
            Health::ReadOnly => self.progress.durable(),
        }
    }

    /// Drops what waits: it was decided by memory that is ahead of the ledger now.
    fn failed(&self) {
        let mut queue = self.queue.lock();
        queue.batch.clear();
        self.progress.failed();
    }

    /// Waits a while; `false` at the end.
    fn pause(&self, pause: Duration) -> bool {
        let mut queue = self.queue.lock();
        if !queue.stop {
            _ = self.more.wait_for(&mut queue, pause);
        }
        !queue.stop
    }

    pub(crate) fn hold(&self, held: bool) {
        self.queue.lock().held = held;
        self.more.notify_one();
    }

    pub(crate) fn tidy(&self, now: i64, ended_before: i64) {
        self.queue.lock().tidy = Some((now, ended_before));
        self.more.notify_one();
    }

    pub(crate) fn stop(&self) {
        self.queue.lock().stop = true;
        self.more.notify_one();
    }

    /// What waits to be written.
    pub(crate) fn backlog(&self) -> Backlog {
        let queue = self.queue.lock();
        let age = self.clock.monotonic().saturating_sub(queue.since);
        let requests = queue.batch.len();
        Backlog { requests, age: if requests == 0 { Duration::ZERO } else { age } }
    }

    /// Waits for work, and takes no more than `largest` of it; `None` at the end.
    fn next(&self, largest: usize) -> Option<Work> {
        let mut queue = self.queue.lock();
        loop {
            let has_work = !queue.batch.is_empty() || queue.tidy.is_some();
            if has_work && !queue.held {
                let taken = largest.min(queue.batch.len());
                let left = queue.batch.split_off(taken);
                let last = queue.appended - left.len() as u64;
                let batch = std::mem::replace(&mut queue.batch, left);
                return Some(Work { batch, last, tidy: queue.tidy.take() });
            }
            if queue.stop {
                return None;
            }
            self.more.wait(&mut queue);
        }
    }
}

/// The thread's own.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) shared: Arc<Shared>,
    pub(crate) tenants: Tenants,
    pub(crate) numbers: Numbers,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) options: Options,
}

impl Drop for Writer {
    fn drop(&mut self) {
        // A panic is a failure like any other: nobody waits in vain.
        if std::thread::panicking() {
            self.shared.failed();
        }
    }
}

impl Writer {
    /// Writes until the end, or until a failure that nothing but a restart ends.
    pub(crate) fn run(mut self) {
        while let Err(error) = self.keep() {
            let goes_on = is_for_lack_of_space(&error);
            self.fail(&error, goes_on);
            if !goes_on || !self.recover() {
                return;
            }
        }
        if let Err(error) = self.checkpoints.last(&self.connection) {
            tracing::warn!(%error, path = %self.path.display(), "the ledger's log stays; the next start reads it");
        }
    }

    /// Writes until the end, or until the first failure.
    fn keep(&mut self) -> rusqlite::Result<()> {
        let mut tidier = Tidier::default();
        while let Some(Work { batch, last, tidy }) =
            self.shared.next(self.options.largest_batch.max(1))
        {
            self.write(&batch, tidy.map(|times| (&mut tidier, times)))?;
            self.shared.progress.reached(last);
            self.checkpoints.answered(batch.is_empty());
            self.checkpoints.after_batch(&self.connection, self.options.observer.as_ref())?;
        }
        Ok(())
    }

    fn write(
        &mut self,
        batch: &[Changes],
        tidy: Option<(&mut Tidier, (i64, i64))>,
    ) -> rusqlite::Result<()> {
        self.observe(Step::Taken(batch.len()));
        self.limit()?;
        let transaction = self.connection.unchecked_transaction()?;
        let filed = self.numbers.file(&transaction)?;
        if !batch.is_empty() {
            apply::batch(&transaction, &mut self.tenants, &mut self.numbers, batch)?;
        }
        if let Some((tidier, (now, ended_before))) = tidy {
            tidier.tidy(&transaction, now, ended_before)?;
        }
        self.observe(Step::Writing);
        transaction.commit()?;
        self.numbers.committed(filed);
        self.observe(Step::Written);
        Ok(())
    }

    fn observe(&self, step: Step) {
        if let Some(observer) = &self.options.observer {
            observer(step);
        }
    }

    /// Makes the disk as full as a test wants it.
    fn limit(&self) -> rusqlite::Result<()> {
        let Some(pages) = &self.options.pages_max else { return Ok(()) };
        let pages = pages.load(Ordering::Relaxed);
        self.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
    }

    fn fail(&mut self, error: &rusqlite::Error, goes_on: bool) {
        let path: &Path = &self.path;
        if goes_on {
            tracing::error!(
                path = %path.display(),
                "the ledger cannot be written: {error}; free some space: the server only reads until then, and goes on by itself"
            );
        } else {
            tracing::error!(
                path = %path.display(),
                "the ledger cannot be written: {error}{}; the server only reads until it is restarted",
                advice(error)
            );
        }
        self.shared.failed();
    }

    /// Waits until the ledger can be written again; `false` where the end comes first.
    fn recover(&mut self) -> bool {
        while self.shared.pause(self.options.retry_after) {
            match self.begin_anew() {
                Ok(()) => {
                    // As loud as most logs are, since it ends what an error began.
                    tracing::warn!(path = %self.path.display(), "the ledger can be written again: the server goes on");
                    self.shared.progress.recovered();
                    return true;
                }
                Err(error) => tracing::debug!(%error, "the ledger cannot be written yet"),
            }
        }
        false
    }

    /// Whether there is space for more than the next batch, in the log and in the
    /// ledger; and forgets what came of the batch that failed.
    fn begin_anew(&mut self) -> rusqlite::Result<()> {
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        self.limit()?;
        // First, since the log must not be reused while its pages lack checksums.
        self.checkpoints.run(&self.connection, None)?;
        let probe = "INSERT OR REPLACE INTO meta VALUES ('probe', zeroblob(?))";
        self.connection.execute(probe, [PROBE])?;
        self.checkpoints.run(&self.connection, None)?;
        self.connection.execute("DELETE FROM meta WHERE name = 'probe'", [])?;
        self.tenants = reader::tenants(&self.connection)?;
        self.numbers.rolled_back();
        Ok(())
    }
}
