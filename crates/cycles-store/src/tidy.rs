//! Removing what is past its retention, a bounded part at a time.

use rusqlite::{Connection, Result, params};

/// Rows that one tidy looks at in each table; it runs every few seconds.
const ROWS: i64 = 2_000;

/// A table, and what removes rows of it after the first and up to the second number
/// that are from before the third.
type Table = (&'static str, &'static [&'static str]);

const RESERVATION: Table = (
    "reservation",
    &[
        "DELETE FROM reservation_key WHERE (tenant, key, number) IN (SELECT tenant, key, number \
         FROM reservation WHERE number > ?1 AND number <= ?2 AND ended_at < ?3)",
        "DELETE FROM reservation WHERE number > ?1 AND number <= ?2 AND ended_at < ?3",
    ],
);
const REPLAY: Table =
    ("replay", &["DELETE FROM replay WHERE number > ?1 AND number <= ?2 AND until < ?3"]);

/// Where the next tidy begins.
#[derive(Debug, Default)]
pub(crate) struct Tidier {
    reservation: i64,
    replay: i64,
}

impl Tidier {
    /// Removes reservations that ended before `ended_before`, and answers that
    /// are kept until before `now`.
    pub(crate) fn tidy(
        &mut self,
        connection: &Connection,
        now: i64,
        ended_before: i64,
    ) -> Result<()> {
        self.reservation = sweep(connection, RESERVATION, ended_before, self.reservation)?;
        self.replay = sweep(connection, REPLAY, now, self.replay)?;
        Ok(())
    }
}

/// Looks at the rows after `from`; answers where to go on, 0 from the start.
fn sweep(connection: &Connection, (table, deletes): Table, bound: i64, from: i64) -> Result<i64> {
    let last = format!(
        "SELECT max(number) FROM (SELECT number FROM {table} WHERE number > ? \
         ORDER BY number LIMIT {ROWS})"
    );
    let last: Option<i64> =
        connection.prepare_cached(&last)?.query_row([from], |row| row.get(0))?;
    let Some(last) = last else { return Ok(0) };
    for delete in deletes {
        connection.prepare_cached(delete)?.execute(params![from, last, bound])?;
    }
    Ok(last)
}
