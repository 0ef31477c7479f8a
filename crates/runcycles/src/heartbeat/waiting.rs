//! Leases that are not due yet. One timer watches all of them, so that a call
//! shorter than its lease costs no task.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use cycles_protocol::Clock;
use parking_lot::Mutex;
use tokio::runtime::{Handle, Id};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tracing::{Instrument, Span};

use super::{Beat, keep};

/// The leases of one client, by the runtime that keeps them.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<HashMap<Id, Queue>>);

#[derive(Debug)]
struct Queue {
    /// In boxes: the map of a client with few leases stays small.
    due: BTreeMap<Place, Box<Entry>>,
    /// How many have waited so far: two leases may be due at one moment.
    count: u64,
    /// When the timer looks next.
    looks_at: Duration,
    /// Tells the timer to look earlier.
    earlier: Arc<Notify>,
}

/// When a lease is due, and the how-manieth it is.
type Place = (Duration, u64);

#[derive(Debug)]
struct Entry {
    beat: Beat,
    span: Span,
    runtime: Handle,
    task: Arc<OnceLock<AbortHandle>>,
}

/// A lease that is kept until this is stopped.
#[derive(Debug)]
pub(crate) struct Beating {
    waiting: Arc<Waiting>,
    runtime: Id,
    place: Place,
    /// Set once the lease was due.
    task: Arc<OnceLock<AbortHandle>>,
}

impl Beating {
    /// The lease is not kept any longer.
    pub(crate) fn stop(self) {
        let entry = self.waiting.take(self.runtime, self.place);
        if entry.is_none()
            && let Some(task) = self.task.get()
        {
            task.abort();
        }
    }
}

impl Waiting {
    /// Keeps a lease, in `runtime`, from the moment at which it is due.
    pub(super) fn add(self: &Arc<Self>, beat: Beat, span: Span, runtime: &Handle) -> Beating {
        let (clock, at, id) = (Arc::clone(beat.clock()), beat.at, runtime.id());
        let mut queues = self.0.lock();
        let queue = queues.entry(id).or_insert_with(|| {
            let earlier = Arc::new(Notify::new());
            let timer = Timer { waiting: Arc::downgrade(self), id };
            runtime.spawn(timer.run(clock, Arc::clone(&earlier)));
            Queue { due: BTreeMap::new(), count: 0, looks_at: Duration::MAX, earlier }
        });
        queue.count += 1;
        let (place, task) = ((at, queue.count), Arc::default());
        let entry = Entry { beat, span, runtime: runtime.clone(), task: Arc::clone(&task) };
        queue.due.insert(place, Box::new(entry));
        if at < queue.looks_at {
            queue.looks_at = at;
            queue.earlier.notify_one();
        }
        Beating { waiting: Arc::clone(self), runtime: id, place, task }
    }

    fn take(&self, runtime: Id, place: Place) -> Option<Box<Entry>> {
        self.0.lock().get_mut(&runtime)?.due.remove(&place)
    }

    /// Lets those go that are due; answers when to look again.
    fn look(&self, runtime: Id, now: Duration) -> Duration {
        let mut queues = self.0.lock();
        let Some(queue) = queues.get_mut(&runtime) else { return Duration::MAX };
        while let Some(first) = queue.due.first_entry().filter(|first| first.key().0 <= now) {
            let Entry { beat, span, runtime, task } = *first.remove();
            // Under the lock: whoever stops it finds the entry or the task.
            let _ = task.set(runtime.spawn(keep(beat).instrument(span)).abort_handle());
        }
        let due = queue.due.keys().next().map_or(Duration::MAX, |place| place.0);
        // It does not look later than it meant to: calls that come and go one by
        // one would each have to wake it.
        let meant = Some(queue.looks_at).filter(|meant| *meant > now);
        queue.looks_at = meant.map_or(due, |meant| meant.min(due));
        queue.looks_at
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        for queue in self.0.get_mut().values() {
            queue.earlier.notify_one();
        }
    }
}

/// The task that wakes for the earliest lease of a runtime, and ends with the
/// client or the runtime.
struct Timer {
    waiting: Weak<Waiting>,
    id: Id,
}

impl Timer {
    async fn run(self, clock: Arc<dyn Clock>, earlier: Arc<Notify>) {
        while let Some(waiting) = self.waiting.upgrade() {
            let next = waiting.look(self.id, clock.monotonic());
            drop(waiting);
            if next == Duration::MAX {
                earlier.notified().await;
                continue;
            }
            tokio::select! {
                () = clock.sleep_until(next) => {}
                () = earlier.notified() => {}
            }
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let Some(waiting) = self.waiting.upgrade() else { return };
        // Dropped after the lock: an entry may be the last owner of a client.
        let ended = waiting.0.lock().remove(&self.id);
        drop(ended);
    }
}
