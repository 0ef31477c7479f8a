//! Removing what is past its retention, a bounded part at a time.

use rusqlite::{Connection, Result, params};

/// Rows that one tidy looks at in each table; it runs every few seconds.
const ROWS: i64 = 2_000;

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
        self.reservation =
            sweep(connection, "reservation", "ended_at < ?", ended_before, self.reservation)?;
        self.replay = sweep(connection, "replay", "until < ?", now, self.replay)?;
        Ok(())
    }
}

/// Looks at the rows after `from`; answers where to go on, 0 from the start.
fn sweep(
    connection: &Connection,
    table: &str,
    condition: &str,
    bound: i64,
    from: i64,
) -> Result<i64> {
    let last = format!(
        "SELECT max(number) FROM (SELECT number FROM {table} WHERE number > ? \
         ORDER BY number LIMIT {ROWS})"
    );
    let last: Option<i64> =
        connection.prepare_cached(&last)?.query_row([from], |row| row.get(0))?;
    let Some(last) = last else { return Ok(0) };
    let delete = format!("DELETE FROM {table} WHERE number > ? AND number <= ? AND {condition}");
    connection.prepare_cached(&delete)?.execute(params![from, last, bound])?;
    Ok(last)
}
