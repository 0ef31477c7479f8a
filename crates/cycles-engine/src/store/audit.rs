//! What operators did.

use std::collections::VecDeque;

use cycles_protocol::control::AuditLogEntry;
use parking_lot::Mutex;

use crate::limits;

/// The newest entries, at most [`limits::AUDIT_MAX`].
#[derive(Debug, Default)]
pub(crate) struct Audit(Mutex<Log>);

#[derive(Debug, Default)]
struct Log {
    entries: VecDeque<Row>,
    written: u64,
}

/// One entry, its number in the log, and when it was made.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) number: u64,
    pub(crate) at: i64,
    pub(crate) entry: AuditLogEntry,
}

impl Audit {
    pub(crate) fn write(&self, entry: AuditLogEntry, at: i64) {
        let mut log = self.0.lock();
        log.written += 1;
        let number = log.written;
        log.entries.push_back(Row { number, at, entry });
        if log.entries.len() > limits::AUDIT_MAX {
            log.entries.pop_front();
        }
    }

    /// Up to `most` rows that `wanted` admits, older than `before`, the newest
    /// first.
    pub(crate) fn newest(
        &self,
        before: Option<u64>,
        most: usize,
        wanted: impl Fn(&Row) -> bool,
    ) -> Vec<Row> {
        let log = self.0.lock();
        let rows = log.entries.iter().rev();
        let rows = rows.filter(|row| before.is_none_or(|before| row.number < before));
        rows.filter(|row| wanted(row)).take(most).cloned().collect()
    }
}
