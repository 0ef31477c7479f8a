//! What happens in the background, for whoever wants to know: one bounded queue
//! per client, taken in batches.
//!
//! Language packages take it on their own threads; the core never calls into
//! them (decision "Python async").

use std::collections::VecDeque;
use std::sync::Arc;

use cycles_protocol::{Error, ReservationId};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;

use crate::error::ErrorReport;
use crate::heartbeat::HeartbeatFailure;
use crate::metrics;
use crate::settlement::Settlement;

/// Notifications that wait to be taken; beyond that the oldest is dropped.
const CAPACITY: usize = 1_024;

/// Something that happened in the background.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Notification {
    /// A lease could not be extended, or not in time.
    HeartbeatFailure {
        /// Whose lease.
        reservation_id: ReservationId,
        /// `repeats`, `stopped` or `lost`.
        disposition: &'static str,
        /// Why it is not extended any more.
        reason: Option<&'static str>,
        /// What the attempt said.
        error: Option<ErrorReport>,
    },
    /// A settlement did not go through at once, or did so later.
    Settlement {
        /// Of which reservation.
        reservation_id: ReservationId,
        /// `pending`: unclear, repeated with the same key. `retained`: refused
        /// until somebody changes a key or a budget; the journal keeps it.
        /// `refused`: for good, the spend is not booked. `committed`,
        /// `recovered_via_event`: booked after one of the first two.
        outcome: &'static str,
        /// Why it is not booked.
        error: Option<ErrorReport>,
    },
    /// Spends are not written down at present.
    JournalDegraded {
        /// Why.
        reason: String,
    },
    /// They are again.
    JournalRestored,
    /// A record can never be replayed and was set aside.
    RecordQuarantined {
        /// Its file, before.
        file: String,
    },
    /// Work that was allowed unseen ended with its process: its cost is unknown
    /// and not booked.
    SpendUnknown {
        /// What is known of it.
        file: String,
    },
    /// Some before this one were dropped, because nobody took them.
    Dropped {
        /// How many.
        count: u64,
    },
}

impl Notification {
    pub(crate) fn heartbeat_failure(failure: &HeartbeatFailure) -> Self {
        Self::HeartbeatFailure {
            reservation_id: failure.reservation_id.clone(),
            disposition: failure.disposition.as_str(),
            reason: failure.disposition.reason(),
            error: failure.error.as_ref().map(ErrorReport::from),
        }
    }

    /// A settlement that is not booked: `pending`, `retained` or `refused`.
    pub(crate) fn unsettled(id: &ReservationId, outcome: &'static str, error: &Error) -> Self {
        Self::Settlement { reservation_id: id.clone(), outcome, error: Some(error.into()) }
    }

    /// What a repeat came to, unless nobody needs to know.
    pub(crate) fn settled(id: &ReservationId, settlement: &Settlement) -> Option<Self> {
        let outcome = match settlement {
            Settlement::Committed(_) => "committed",
            Settlement::RecoveredViaEvent(_) => "recovered_via_event",
            Settlement::Refused(error) => return Some(Self::unsettled(id, "refused", error)),
            Settlement::Released(_)
            | Settlement::Pending(_)
            | Settlement::Queued
            | Settlement::Inherited(_) => {
                return None;
            }
        };
        Some(Self::Settlement { reservation_id: id.clone(), outcome, error: None })
    }
}

/// The queue of a client. Clones share it, and do not keep the client alive.
#[derive(Debug, Clone, Default)]
pub struct Notifications(Arc<Queue>);

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    notifications: VecDeque<Notification>,
    dropped: u64,
    closed: bool,
}

impl Notifications {
    pub(crate) fn push(&self, notification: Notification) {
        let mut waiting = self.0.waiting.lock();
        if waiting.notifications.len() == CAPACITY {
            waiting.notifications.pop_front();
            waiting.dropped += 1;
            metrics::notification_dropped();
        }
        waiting.notifications.push_back(notification);
        drop(waiting);
        self.0.changed.notify_one();
    }

    /// Takes what is there, in the order in which it happened; does not wait.
    #[must_use]
    pub fn take(&self) -> Vec<Notification> {
        let mut waiting = self.0.waiting.lock();
        let mut taken = std::mem::take(&mut waiting.notifications);
        match std::mem::take(&mut waiting.dropped) {
            0 => {}
            count => taken.push_front(Notification::Dropped { count }),
        }
        taken.into()
    }

    /// Waits until there are some and takes them all; `None` once the client and
    /// its settlements have ended, or the queue was [closed](Self::close). For
    /// one taker at a time.
    pub async fn next(&self) -> Option<Vec<Notification>> {
        loop {
            let changed = self.0.changed.notified();
            let batch = self.take();
            if !batch.is_empty() {
                return Some(batch);
            }
            if self.0.waiting.lock().closed {
                return None;
            }
            changed.await;
        }
    }

    /// Lets [`next`](Self::next) end once it has taken what is there.
    pub fn close(&self) {
        self.0.waiting.lock().closed = true;
        self.0.changed.notify_one();
    }
}

/// Closes the queue when the client ends.
#[derive(Debug, Default)]
pub(crate) struct Notifier(pub(crate) Notifications);

impl Drop for Notifier {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(number: usize) -> Notification {
        Notification::RecordQuarantined { file: number.to_string() }
    }

    #[test]
    fn the_oldest_are_dropped_and_counted_once() {
        let queue = Notifications::default();
        for number in 0..CAPACITY + 2 {
            queue.push(numbered(number));
        }
        let batch = queue.take();
        assert_eq!(batch.len(), 1 + CAPACITY);
        assert_eq!(batch[..2], [Notification::Dropped { count: 2 }, numbered(2)]);
        assert_eq!(queue.take(), []);
    }

    #[tokio::test]
    async fn a_taker_is_woken_once_for_a_batch_and_ends_with_the_client() {
        let notifier = Notifier::default();
        let queue = notifier.0.clone();
        let taker = tokio::spawn(async move {
            let mut sizes = Vec::new();
            while let Some(batch) = queue.next().await {
                sizes.push(batch.len());
            }
            sizes
        });
        tokio::task::yield_now().await;
        (0..3).for_each(|number| notifier.0.push(numbered(number)));
        tokio::task::yield_now().await;
        notifier.0.push(numbered(3));
        drop(notifier);
        assert_eq!(taker.await.unwrap(), [3, 1]);
    }

    #[test]
    fn a_notification_reads_as_packages_expect() {
        let error = Error::unreachable("nobody there");
        let id = ReservationId::new("res_1");
        let document =
            serde_json::to_value(Notification::unsettled(&id, "pending", &error)).unwrap();
        assert_eq!(document["kind"], "settlement");
        assert_eq!(document["reservation_id"], "res_1");
        assert_eq!(document["outcome"], "pending");
        assert_eq!(document["error"]["kind"], "Transport");
    }
}
