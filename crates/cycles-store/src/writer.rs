//! The one thread that writes: whatever has come together is one transaction,
//! and so one wait for the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cycles_engine::durable::{Changes, Health, unavailable};
use cycles_protocol::Error;
use parking_lot::{Condvar, Mutex};
use rusqlite::Connection;
use tokio::sync::watch;

use crate::apply::{self, Tenants};
use crate::checkpoint::Checkpoints;
use crate::error::advice;
use crate::steps::{Observer, Step};
use crate::tidy::Tidier;

/// What waits to be written.
#[derive(Debug, Default)]
struct Queue {
    batch: Vec<Changes>,
    /// The number of the last changes that were taken.
    appended: u64,
    /// Times of a tidy that was asked for: now, and before when what has ended.
    tidy: Option<(i64, i64)>,
    stop: bool,
    /// Nothing is written now.
    held: bool,
}

/// One transaction's.
struct Work {
    batch: Vec<Changes>,
    /// The number of its last changes.
    last: u64,
    /// As in the queue.
    tidy: Option<(i64, i64)>,
}

/// How far the writer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Progress {
    durable: u64,
    health: Health,
}

/// What the writer and everyone else share.
#[derive(Debug)]
pub(crate) struct Shared {
    queue: Mutex<Queue>,
    more: Condvar,
    progress: watch::Sender<Progress>,
    durable: AtomicU64,
    /// For those who hold their thread while they wait.
    waiting: Mutex<()>,
    moved: Condvar,
}

impl Shared {
    pub(crate) fn new() -> Self {
        let progress = Progress { durable: 0, health: Health::Keeping };
        Self {
            queue: Mutex::default(),
            more: Condvar::new(),
            progress: watch::Sender::new(progress),
            durable: AtomicU64::new(0),
            waiting: Mutex::default(),
            moved: Condvar::new(),
        }
    }

    pub(crate) fn append(&self, changes: Changes) -> u64 {
        let mut queue = self.queue.lock();
        match self.health() {
            Health::Keeping => {
                queue.batch.push(changes);
                queue.appended += 1;
                if queue.batch.len() == 1 {
                    self.more.notify_one();
                }
                queue.appended
            }
            // Never durable: whoever waits for it is told.
            Health::Failed => queue.appended + 1,
            // Time goes on in memory, and nobody needs that on disk.
            Health::ReadOnly => self.durable(),
        }
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

    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(crate) fn health(&self) -> Health {
        self.progress.borrow().health
    }

    pub(crate) fn reloaded(&self) {
        self.progress.send_modify(|progress| progress.health = Health::ReadOnly);
    }

    pub(crate) async fn settled(&self, number: u64) -> Result<(), Error> {
        let mut progress = self.progress.subscribe();
        let reached = progress.wait_for(|it| it.durable >= number || it.health != Health::Keeping);
        match reached.await {
            Ok(progress) if progress.durable >= number => Ok(()),
            _ => Err(failed()),
        }
    }

    pub(crate) fn settled_now(&self, number: u64) -> Result<(), Error> {
        let mut waiting = self.waiting.lock();
        loop {
            let Progress { durable, health } = *self.progress.borrow();
            if durable >= number {
                return Ok(());
            }
            if health != Health::Keeping {
                return Err(failed());
            }
            self.moved.wait(&mut waiting);
        }
    }

    fn publish(&self, change: impl FnOnce(&mut Progress)) {
        self.progress.send_modify(|progress| {
            change(progress);
            self.durable.store(progress.durable, Ordering::Release);
        });
        // Taken, so that nobody is between looking and waiting.
        drop(self.waiting.lock());
        self.moved.notify_all();
    }

    /// Waits for work; `None` at the end.
    fn next(&self) -> Option<Work> {
        let mut queue = self.queue.lock();
        loop {
            let has_work = !queue.batch.is_empty() || queue.tidy.is_some();
            if has_work && !queue.held {
                let batch = std::mem::take(&mut queue.batch);
                return Some(Work { batch, last: queue.appended, tidy: queue.tidy.take() });
            }
            if queue.stop {
                return None;
            }
            self.more.wait(&mut queue);
        }
    }
}

fn failed() -> Error {
    unavailable("the store failed before it kept this; repeat it with the same key")
}

/// The thread's own.
pub(crate) struct Writer {
    pub(crate) connection: Connection,
    pub(crate) path: PathBuf,
    pub(crate) shared: Arc<Shared>,
    pub(crate) tenants: Tenants,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) observer: Option<Observer>,
}

impl Writer {
    /// Writes until the end, or until the first failure.
    pub(crate) fn run(mut self) {
        let mut tidier = Tidier::default();
        while let Some(Work { batch, last, tidy }) = self.shared.next() {
            let outcome = self.write(&batch, tidy.map(|times| (&mut tidier, times)));
            match outcome {
                Ok(()) => self.shared.publish(|progress| progress.durable = last),
                Err(error) => return self.fail(&error),
            }
            if let Err(error) =
                self.checkpoints.after_batch(&self.connection, self.observer.as_ref())
            {
                return self.fail(&error);
            }
        }
        if let Err(error) = self.checkpoints.last(&self.connection) {
            tracing::warn!(%error, path = %self.path.display(), "the ledger's log stays; the next start reads it");
        }
    }

    fn write(
        &mut self,
        batch: &[Changes],
        tidy: Option<(&mut Tidier, (i64, i64))>,
    ) -> rusqlite::Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        if !batch.is_empty() {
            apply::batch(&transaction, &mut self.tenants, batch)?;
        }
        if let Some((tidier, (now, ended_before))) = tidy {
            tidier.tidy(&transaction, now, ended_before)?;
        }
        self.observe(Step::Writing);
        transaction.commit()?;
        self.checkpoints.answered(batch.is_empty());
        self.observe(Step::Written);
        Ok(())
    }

    fn observe(&self, step: Step) {
        if let Some(observer) = &self.observer {
            observer(step);
        }
    }

    fn fail(self, error: &rusqlite::Error) {
        let path: &Path = &self.path;
        tracing::error!(
            path = %path.display(),
            "the ledger cannot be written: {error}{}; the server only reads until it is restarted",
            advice(error)
        );
        self.shared.publish(|progress| progress.health = Health::Failed);
    }
}
