//! Writing and reading the audit log.

use cycles_protocol::control::{AuditLogEntry, AuditLogListResponse, AuditLogParams};
use cycles_protocol::{Call, Error};
use serde::{Deserialize, Serialize};

use crate::durable::Change;
use crate::store::{AuditRow, TenantState};
use crate::{Engine, cursor, ids, limits, time};

/// The last row of the page before.
#[derive(Serialize, Deserialize)]
struct Before {
    /// Fingerprint of the filters.
    fh: String,
    number: u64,
}

impl Engine {
    /// Writes what `call` did at `now`.
    pub(crate) fn write_audit(&self, entry: AuditLogEntry, call: &Call, now: i64) {
        let entry = self.audited(entry, call, now);
        self.audit().write(entry, now, |row| {
            self.keep(&row.entry.tenant_id, || Change::Audit(Box::new(row.clone())));
        });
    }

    /// As [`write_audit`](Self::write_audit); on disk it is with what the turn
    /// changes, or not at all.
    pub(super) fn write_audit_with(
        &self,
        state: &mut TenantState,
        entry: AuditLogEntry,
        call: &Call,
        now: i64,
    ) {
        let entry = self.audited(entry, call, now);
        self.audit().write(entry, now, |row| {
            state.with_the_turn(|| Change::Audit(Box::new(row.clone())));
        });
    }

    fn audited(&self, mut entry: AuditLogEntry, call: &Call, now: i64) -> AuditLogEntry {
        entry.log_id = format!("log_{}", ids::random(&**self.random()).simple());
        entry.timestamp = time::iso(now);
        entry.request_id = call.request_id.to_string();
        entry.trace_id = call.trace_id.to_string();
        entry
    }

    pub(super) fn list_audit_logs_now(
        &self,
        params: &AuditLogParams,
    ) -> Result<AuditLogListResponse, Error> {
        let mut filters = params.clone();
        (filters.limit, filters.cursor) = (None, None);
        let fh = cursor::fingerprint(&filters);
        let before = match &params.cursor {
            Some(text) => Some(cursor::read(text, |before: &Before| before.fh == fh)?.number),
            None => None,
        };
        let limit = params.limit.unwrap_or(limits::AUDIT_PAGE_DEFAULT);
        let wanted = |row: &AuditRow| params.matches(&row.entry, row.at);
        let mut rows = self.audit().newest(before, limit.saturating_add(1), wanted);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows
            .last()
            .filter(|_| has_more)
            .and_then(|row| cursor::write(&Before { fh, number: row.number }));
        let logs = rows.into_iter().map(|row| row.entry).collect();
        Ok(AuditLogListResponse { logs, next_cursor, has_more })
    }
}
