//! [`Options`] of a store, and the [`Step`]s of its writer; tests end the process
//! there.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

/// Where the writer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A batch of so many requests was taken; none, where only the past is tidied.
    Taken(usize),
    /// A batch is about to be committed.
    Writing,
    /// A batch is on disk, and nobody was answered yet.
    Written,
    /// The log is about to be put in its place.
    Checkpointing,
    /// It is in its place, and its checksums are not.
    Checkpointed,
}

/// Is told of every step, on the writer's thread.
pub type Observer = Arc<dyn Fn(Step) + Send + Sync>;

/// How a store works; the default is for every purpose but tests and benchmarks.
#[derive(Clone)]
pub struct Options {
    /// Is told of every step.
    pub observer: Option<Observer>,
    /// Pages in SQLite's log from which it is put in its place.
    pub checkpoint_pages: u32,
    /// Requests that one transaction has at most; at least one.
    pub largest_batch: usize,
    /// Reservations whose keys go from memory to the table of keys together.
    pub keys_together: u32,
    /// How long a full disk is left alone before it is tried again.
    pub retry_after: Duration,
    /// Pages that the ledger may have, as if the disk were full then; never less
    /// than it has.
    pub pages_max: Option<Arc<AtomicU32>>,
}

impl Default for Options {
    fn default() -> Self {
        // 32 MB: some hundred batches, and a few milliseconds to put in place; as
        // long as so many keys take.
        Self {
            observer: None,
            checkpoint_pages: 8_000,
            largest_batch: usize::MAX,
            keys_together: 4_096,
            retry_after: Duration::from_secs(1),
            pages_max: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("checkpoint_pages", &self.checkpoint_pages)
            .field("largest_batch", &self.largest_batch)
            .field("keys_together", &self.keys_together)
            .field("retry_after", &self.retry_after)
            .field("pages_max", &self.pages_max)
            .finish_non_exhaustive()
    }
}
