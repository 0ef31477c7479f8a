//! Work that outlives the call that started it: repeats and releases.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts settlements in the background, so that a flush can wait for them.
#[derive(Debug, Clone)]
pub(crate) struct Pending(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The tasks that count down run in this process; a forked child has none.
    owner: u32,
    count: AtomicUsize,
    changed: Notify,
}

/// One settlement under way; counts until dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Inner>);

impl Default for Pending {
    fn default() -> Self {
        let (count, changed) = (AtomicUsize::default(), Notify::default());
        Self(Arc::new(Inner { owner: std::process::id(), count, changed }))
    }
}

impl Pending {
    pub(crate) fn begin(&self) -> InFlight {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        InFlight(Arc::clone(&self.0))
    }

    pub(crate) fn count(&self) -> usize {
        if self.0.owner == std::process::id() { self.0.count.load(Ordering::Acquire) } else { 0 }
    }

    /// Waits until nothing is under way.
    pub(crate) async fn idle(&self) {
        loop {
            let changed = self.0.changed.notified();
            if self.count() == 0 {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::AcqRel);
        self.0.changed.notify_waiters();
    }
}
