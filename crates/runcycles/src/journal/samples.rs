//! What the journal's own tests put into it.

use std::path::Path;
use std::sync::Arc;

use cycles_protocol::{Clock, ReservationId};
use cycles_testkit::ManualClock;

use super::JournalSync;
use super::directory::Directory;
use super::health::Health;
use super::jobs::Named;
use super::record::Record;
use super::storage::Disk;
use super::writer::Writer;

/// A writer of its own clock, which stands.
pub(super) fn writer(path: &Path, nonce: u64, sync: JournalSync) -> Writer {
    on_clock(path, nonce, sync, &Arc::new(ManualClock::default()))
}

/// As [`writer`], of that clock.
pub(super) fn on_clock(
    path: &Path,
    nonce: u64,
    sync: JournalSync,
    clock: &Arc<ManualClock>,
) -> Writer {
    let directory = Directory::new(Box::new(Disk), path.to_owned(), sync, nonce);
    let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    Writer::new(directory, Vec::new(), clock, Arc::new(Health::default()))
}

/// The record of a spend on that reservation.
pub(super) fn record(id: &str) -> Named {
    let body = serde_json::json!({"idempotency_key": "k"});
    let body = serde_json::value::to_raw_value(&body).unwrap();
    let record = Record::commit(ReservationId::new(id), "http://h", body.clone(), body, 1_000);
    Named { name: record.shared_name(), bytes: Arc::new(record.write().unwrap()) }
}
