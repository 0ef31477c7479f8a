//! Ends a client in good order.

use std::time::Duration;

use crate::client::CyclesClient;

impl CyclesClient {
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

/// For what the journal has to write after the flush.
const CLOSING: Duration = Duration::from_secs(2);
