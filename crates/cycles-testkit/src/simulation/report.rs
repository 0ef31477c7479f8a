//! What a run tells.

use std::collections::BTreeMap;
use std::fmt;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Commands answered.
    pub step: u64,
    /// Commands in all.
    pub steps: u64,
    /// Reservations that hold now.
    pub open: usize,
}

/// What happened in a run that found nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// How many commands were answered.
    pub steps: u64,
    /// How much time passed in it, milliseconds.
    pub passed_ms: i64,
    /// How often each operation was answered in each way: `OK`, or the error.
    pub answers: BTreeMap<(&'static str, String), u64>,
    /// SHA-256 over all answers, in hex; two runs of a seed have the same.
    pub digest: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.passed_ms / (24 * 60 * 60 * 1_000);
        writeln!(f, "seed {}: {} commands over {days} days agree", self.seed, self.steps)?;
        for ((operation, outcome), count) in &self.answers {
            writeln!(f, "{count:>10}  {operation:<20} {outcome}")?;
        }
        write!(f, "digest {}", self.digest)
    }
}

/// Where the authority and the oracle part.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// The run's seed.
    pub seed: u64,
    /// The run's length.
    pub steps: u64,
    /// Whether the engine was kept, and ended now and then.
    pub is_kept: bool,
    /// The command at which it showed, counted from 1.
    pub step: u64,
    /// What is wrong.
    pub what: String,
    /// What the oracle says.
    pub expected: String,
    /// What the authority said.
    pub seen: String,
    /// The last commands and their answers, the failing one last.
    pub history: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} fails at step {}: {}", self.seed, self.step, self.what)?;
        writeln!(f, "\nthe last {} commands:", self.history.len())?;
        for line in &self.history {
            writeln!(f, "  {line}")?;
        }
        writeln!(f, "\nexpected: {}", self.expected)?;
        writeln!(f, "seen:     {}", self.seen)?;
        let Self { seed, steps, .. } = self;
        if self.is_kept {
            return write!(f, "\nreplay: Simulation::new({seed}).kept_by(…).run({steps}, …)");
        }
        write!(f, "\nreplay: cargo xtask simulate --seed {seed} --steps {steps}")
    }
}

impl std::error::Error for Failure {}
