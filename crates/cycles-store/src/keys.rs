//! Which reservation a key made. Keys are random, so each one belongs on another
//! page of the table that finds them: the newest stay in memory, and go there
//! together. A start reads them from the reservations themselves.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use rusqlite::{Connection, Result, params};

const FILE: &str = "INSERT INTO reservation_key SELECT tenant, key, number FROM reservation \
     WHERE number > ? AND number <= ? ORDER BY tenant, key, number";

/// The keys that are not in the table yet: by tenant, with the newest reservation
/// of each.
#[derive(Debug, Default)]
pub(crate) struct RecentKeys(RwLock<HashMap<i64, HashMap<Box<str>, i64>>>);

impl RecentKeys {
    /// The number of the newest reservation that was made with a key.
    pub(crate) fn newest(
        &self,
        connection: &Connection,
        tenant: i64,
        key: &str,
    ) -> Result<Option<i64>> {
        // Here first: what leaves here is in the table before.
        if let Some(number) = self.0.read().get(&tenant).and_then(|keys| keys.get(key)) {
            return Ok(Some(*number));
        }
        let select = "SELECT max(number) FROM reservation_key WHERE tenant = ? AND key = ?";
        connection.prepare_cached(select)?.query_row(params![tenant, key], |row| row.get(0))
    }
}

/// Numbers reservations and files their keys; the writer's own.
#[derive(Debug)]
pub(crate) struct Numbers {
    /// The last one that was given.
    last: i64,
    /// Up to here, keys are in the table.
    keyed: i64,
    /// Reservations whose keys go there together.
    together: i64,
    /// Made by the transaction that is open.
    made: Vec<(i64, Box<str>, i64)>,
    recent: Arc<RecentKeys>,
}

impl Numbers {
    /// Goes on from where the ledger is.
    pub(crate) fn read(
        connection: &Connection,
        recent: Arc<RecentKeys>,
        together: u32,
    ) -> Result<Self> {
        let keyed = keyed(connection)?;
        let select = "SELECT tenant, key, number FROM reservation WHERE number > ? \
             ORDER BY number"; // the newest of a key wins, and the last is the last
        let mut select = connection.prepare(select)?;
        let made = select.query_map([keyed], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let made: Vec<_> = made.collect::<Result<_>>()?;
        // Numbers that the table knows are never given again.
        let last = made.last().map_or(keyed, |(_, _, number)| *number);
        let mut numbers = Self { last, keyed, together: together.into(), made, recent };
        numbers.committed(None);
        Ok(numbers)
    }

    /// The number of a reservation that is being made.
    pub(crate) fn next(&mut self, tenant: i64, key: &str) -> i64 {
        self.last += 1;
        self.made.push((tenant, key.into(), self.last));
        self.last
    }

    /// Puts the keys of what was made before into the table, within the transaction
    /// that is open, once they are many; answers up to where.
    pub(crate) fn file(&self, connection: &Connection) -> Result<Option<i64>> {
        if self.last - self.keyed < self.together {
            return Ok(None);
        }
        connection.prepare_cached(FILE)?.execute([self.keyed, self.last])?;
        let note = "UPDATE meta SET value = ? WHERE name = 'keyed'";
        connection.prepare_cached(note)?.execute([self.last])?;
        Ok(Some(self.last))
    }

    /// The transaction that was open is not kept.
    pub(crate) fn rolled_back(&mut self) {
        // Their numbers stay unused.
        self.made.clear();
    }

    /// The transaction is on disk, with the keys up to `filed` in the table.
    pub(crate) fn committed(&mut self, filed: Option<i64>) {
        if filed.is_none() && self.made.is_empty() {
            return;
        }
        let mut recent = self.recent.0.write();
        if let Some(filed) = filed {
            self.keyed = filed;
            // What is used again and again keeps its place.
            recent.retain(|_, keys| {
                let was_used = !keys.is_empty();
                keys.clear();
                was_used
            });
        }
        for (tenant, key, number) in self.made.drain(..) {
            recent.entry(tenant).or_default().insert(key, number);
        }
    }
}

/// Up to where keys are in the table.
pub(crate) fn keyed(connection: &Connection) -> Result<i64> {
    connection.query_row("SELECT value FROM meta WHERE name = 'keyed'", [], |row| row.get(0))
}
