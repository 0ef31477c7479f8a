//! What can be seen of a journal from outside.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::metrics;
use crate::notifications::{Notification, Notifications};

use super::jobs::Written;

/// How a client's settlement journal stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct JournalStats {
    /// Spends that are known and not booked for certain.
    pub depth: usize,
    /// Age of the oldest of them.
    #[serde(rename = "oldest_age_ms", serialize_with = "as_ms")]
    pub oldest_age: Option<Duration>,
    /// Files that were set aside by this client because they can never be replayed.
    pub quarantined: usize,
    /// Work that was allowed unseen and ended with its process, so that its cost
    /// is unknown and not booked, as this client found it: `.lost` files.
    pub lost: usize,
    /// Why spends are not written down at present; `None` while they are.
    pub degraded: Option<String>,
}

#[expect(clippy::ref_option, reason = "serde passes the field by reference")]
fn as_ms<S: serde::Serializer>(age: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(
        &age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        to,
    )
}

/// What the writer knows, for others to see.
#[derive(Debug, Default)]
pub(crate) struct Health {
    seen: Mutex<Seen>,
    notifications: Notifications,
}

#[derive(Debug, Default)]
struct Seen {
    /// When each unresolved record was written, by file name.
    unresolved: HashMap<Arc<str>, i64>,
    quarantined: usize,
    lost: usize,
    degraded: Option<String>,
}

impl Health {
    pub(crate) fn new(notifications: &Notifications) -> Self {
        Self { seen: Mutex::default(), notifications: notifications.clone() }
    }

    pub(crate) fn stats(&self, now_ms: i64) -> JournalStats {
        let seen = self.seen.lock();
        let oldest = seen.unresolved.values().min();
        let age = oldest.map(|oldest| now_ms.saturating_sub(*oldest).max(0).unsigned_abs());
        JournalStats {
            depth: seen.unresolved.len(),
            oldest_age: age.map(Duration::from_millis),
            quarantined: seen.quarantined,
            lost: seen.lost,
            degraded: seen.degraded.clone(),
        }
    }

    /// Unresolved records that `busy` does not know.
    pub(crate) fn idle(&self, busy: impl Fn(&str) -> bool) -> usize {
        self.seen.lock().unresolved.keys().filter(|name| !busy(name)).count()
    }

    pub(crate) fn holds(&self, name: &str) -> bool {
        self.seen.lock().unresolved.contains_key(name)
    }

    pub(crate) fn unresolved(&self, name: Arc<str>, recorded_at_ms: i64) {
        self.change(|seen| {
            seen.unresolved.entry(name).or_insert(recorded_at_ms);
        });
    }

    pub(crate) fn resolved(&self, name: &str) {
        self.change(|seen| {
            seen.unresolved.remove(name);
        });
    }

    pub(crate) fn quarantined(&self, name: &str) {
        self.change(|seen| {
            seen.unresolved.remove(name);
            seen.quarantined += 1;
        });
        metrics::record_quarantined();
        self.notifications.push(Notification::RecordQuarantined { file: name.to_owned() });
    }

    pub(crate) fn lost(&self, file: &str) {
        self.seen.lock().lost += 1;
        self.notifications.push(Notification::SpendUnknown { file: file.to_owned() });
    }

    /// What stands in files now; the rest is known only if `live`.
    pub(crate) fn listed(&self, names: &[String], now_ms: i64, live: impl Fn(&str) -> bool) {
        self.change(|seen| {
            seen.unresolved.retain(|name, _| {
                let is_listed = names.binary_search_by(|listed| listed.as_str().cmp(name)).is_ok();
                live(name) || is_listed
            });
            for name in names {
                // Its age is known once it is read.
                seen.unresolved.entry(name.as_str().into()).or_insert(now_ms);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        let mut seen = self.seen.lock();
        let before = seen.unresolved.len();
        change(&mut seen);
        metrics::records_changed(before, seen.unresolved.len());
    }

    /// Says so once when writing stops to work, and when it works again.
    pub(crate) fn report(&self, written: &Written) {
        let mut seen = self.seen.lock();
        match (written, seen.degraded.is_some()) {
            (Ok(()), true) => {
                tracing::info!("settlement journal works again");
                self.notifications.push(Notification::JournalRestored);
            }
            (Err(reason), false) => {
                tracing::warn!(
                    reason,
                    "settlement journal does not work: a spend whose commit is unclear is lost if this process ends; set journal_dir"
                );
                let reason = reason.clone();
                self.notifications.push(Notification::JournalDegraded { reason });
            }
            _ => {}
        }
        seen.degraded = written.as_ref().err().cloned();
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        metrics::records_changed(self.seen.get_mut().unresolved.len(), 0);
    }
}
