//! Work that outlives the call that started it: repeats and releases.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Settlements that wait in memory; beyond that the journal's replay does it.
const MAX_PLACES: usize = 1_024;
/// Settlements in the background that ask the authority at once.
const MAX_TURNS: usize = 64;

/// Counts settlements in the background, so that a flush can wait for them, and
/// bounds them.
#[derive(Debug, Clone)]
pub(crate) struct Pending(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// The tasks that count down run in this process; a forked child has none.
    owner: u32,
    count: AtomicUsize,
    changed: Notify,
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

/// One settlement under way; counts until dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Inner>);

/// A place in memory for a settlement that nobody waits for.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: Option<OwnedSemaphorePermit>,
}

/// The right to ask the authority for a settlement in the background.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Default for Pending {
    fn default() -> Self {
        Self(Arc::new(Inner {
            owner: cycles_protocol::process::id(),
            count: AtomicUsize::default(),
            changed: Notify::default(),
            places: Arc::new(Semaphore::new(MAX_PLACES)),
            turns: Arc::new(Semaphore::new(MAX_TURNS)),
        }))
    }
}

impl Pending {
    pub(crate) fn begin(&self) -> InFlight {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        InFlight(Arc::clone(&self.0))
    }

    /// A place, if there is one.
    pub(crate) fn place(&self) -> Option<Place> {
        if self.is_inherited() {
            return Some(Place { _permit: None });
        }
        let permit = Arc::clone(&self.0.places).try_acquire_owned().ok()?;
        Some(Place { _permit: Some(permit) })
    }

    /// Waits for its turn.
    pub(crate) async fn turn(&self) -> Turn {
        if self.is_inherited() {
            return Turn { _permit: None };
        }
        // Nobody closes the semaphore.
        Turn { _permit: Arc::clone(&self.0.turns).acquire_owned().await.ok() }
    }

    pub(crate) fn count(&self) -> usize {
        if self.is_inherited() { 0 } else { self.0.count.load(Ordering::Acquire) }
    }

    /// What a parent process took of the bounds, nobody gives back in its child.
    fn is_inherited(&self) -> bool {
        self.0.owner != cycles_protocol::process::id()
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
