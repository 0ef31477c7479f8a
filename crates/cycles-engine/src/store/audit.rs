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
    entries: VecDeque<AuditRow>,
    written: u64,
}

/// One entry, its number in the log, and when it was made.
#[derive(Debug, Clone)]
pub struct AuditRow {
    /// Its number in the log, from 1.
    pub number: u64,
    /// When it was made.
    pub at: i64,
    /// What was done.
    pub entry: AuditLogEntry,
}

impl Audit {
    /// Writes an entry; `keep` gets it before any later one is written.
    pub(crate) fn write(&self, entry: AuditLogEntry, at: i64, keep: impl FnOnce(&AuditRow)) {
        let mut log = self.0.lock();
        log.written += 1;
        let row = AuditRow { number: log.written, at, entry };
        keep(&row);
        log.push(row);
    }

    /// Begins with what a store kept, oldest first.
    pub(crate) fn restore(&self, rows: Vec<AuditRow>) {
        let mut log = self.0.lock();
        *log = Log::default();
        for row in rows {
            log.written = log.written.max(row.number);
            log.push(row);
        }
    }

    /// Up to `most` rows that `wanted` admits, older than `before`, the newest
    /// first.
    pub(crate) fn newest(
        &self,
        before: Option<u64>,
        most: usize,
        wanted: impl Fn(&AuditRow) -> bool,
    ) -> Vec<AuditRow> {
        let log = self.0.lock();
        let rows = log.entries.iter().rev();
        let rows = rows.filter(|row| before.is_none_or(|before| row.number < before));
        rows.filter(|row| wanted(row)).take(most).cloned().collect()
    }
}

impl Log {
    fn push(&mut self, row: AuditRow) {
        self.entries.push_back(row);
        if self.entries.len() > limits::AUDIT_MAX {
            self.entries.pop_front();
        }
    }
}
