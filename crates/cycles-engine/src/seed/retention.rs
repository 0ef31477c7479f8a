//! How much of what has ended is kept.

use serde::{Deserialize, Serialize};

use crate::limits;

/// How much of what has ended each tenant keeps in memory, and for how long.
/// What is beyond either goes, the oldest first (`docs/seed.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SeedRetention {
    /// Ended reservations.
    pub finalized_max: usize,
    /// How long they are kept, milliseconds.
    pub finalized_ms: i64,
    /// Answers kept to be repeated for their idempotency key.
    pub replays_max: usize,
}

impl Default for SeedRetention {
    fn default() -> Self {
        Self {
            finalized_max: limits::FINALIZED_MAX,
            finalized_ms: limits::FINALIZED_RETENTION_MS,
            replays_max: limits::REPLAYS_MAX,
        }
    }
}

impl SeedRetention {
    /// # Errors
    /// Says what nothing can be kept for.
    pub(crate) fn check(&self) -> Result<(), String> {
        // An answer must be repeatable at least until the next one is given.
        if self.replays_max == 0 || self.finalized_max == 0 {
            return Err("finalized_max and replays_max must be at least 1".to_owned());
        }
        if self.finalized_ms < 0 {
            return Err("finalized_ms must not be negative".to_owned());
        }
        Ok(())
    }
}
