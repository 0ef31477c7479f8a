//! Flushes a client, and ends it in good order.

use std::time::Duration;

use crate::client::CyclesClient;
use crate::journal::JournalStats;
use crate::replay;

/// For what the journal has to write after the flush.
const CLOSING: Duration = Duration::from_secs(2);

impl CyclesClient {
    /// Tries everything that is not settled for certain, once, and waits for
    /// what is under way, at most ten seconds; answers how many are left. What
    /// is left stays in the journal.
    pub async fn flush_pending_commits(&self) -> usize {
        self.flush_pending_commits_with_timeout(Duration::from_secs(10)).await
    }

    /// As [`flush_pending_commits`](Self::flush_pending_commits), at most `timeout`.
    pub async fn flush_pending_commits_with_timeout(&self, timeout: Duration) -> usize {
        let work = async {
            // First what nobody tries, then what others are trying, this pass's included.
            replay::pass(self).await;
            loop {
                self.pending().idle().await;
                if let Some(journal) = self.journal() {
                    journal.finish().await;
                }
                // The timer's pass counts for a moment, though it finds its records gone.
                if self.pending().count() == 0 {
                    return self.kept();
                }
            }
        };
        tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| self.unsettled())
    }

    /// How many spends are not settled for certain.
    pub(crate) fn unsettled(&self) -> usize {
        self.pending().count() + self.kept()
    }

    /// How many records nobody here is settling at the moment.
    fn kept(&self) -> usize {
        self.journal().map_or(0, |journal| journal.idle())
    }

    /// How the settlement journal stands; `None` without one.
    #[must_use]
    pub fn journal_stats(&self) -> Option<JournalStats> {
        self.journal().map(|journal| journal.stats())
    }

    /// Ends this client and its clones: no new work is taken, everything that is
    /// not settled for certain is tried once more, and what is left stands in
    /// the journal's standard files. Takes about `timeout` at most; answers how
    /// many are left.
    ///
    /// Guards that are still open settle as before.
    pub async fn close(&self, timeout: Duration) -> usize {
        self.close_to_new_work();
        let left = self.flush_pending_commits_with_timeout(timeout).await;
        self.replay().stop();
        if let Some(journal) = self.journal() {
            // The disk may hang: the records are in the segment then.
            let _ = tokio::time::timeout(CLOSING, journal.close()).await;
        }
        left
    }
}
