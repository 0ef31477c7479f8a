//! [`Step`]: what the writer is about to do; tests end the process there.

use std::sync::Arc;

/// Where the writer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
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
