//! What one would write first: a request is a transaction that decides in SQL.
//! Its tables have none of the indexes that listings need.

use std::path::Path;

use anyhow::Result;
use cycles_protocol::ReservationCreateRequest;
use parking_lot::Mutex;
use rusqlite::{Connection, TransactionBehavior, params};

use super::TENANTS;

const TABLES: &str = "
    PRAGMA synchronous = FULL;
    CREATE TABLE budget (
        scope TEXT PRIMARY KEY, allocated INTEGER, reserved INTEGER, spent INTEGER, debt INTEGER
    );
    CREATE TABLE reservation (
        id BLOB PRIMARY KEY, tenant TEXT, key TEXT, hash BLOB, scope TEXT, state INTEGER,
        estimate INTEGER, request TEXT, UNIQUE (tenant, key)
    );";
const HOLD: &str = "UPDATE budget SET reserved = reserved + ?2
    WHERE scope = ?1 AND allocated - spent - reserved - debt >= ?2";
const RESERVE: &str = "INSERT INTO reservation VALUES (?, ?, ?, ?, ?, 0, ?, ?)";

/// One connection: SQLite writes one transaction at a time anyway.
pub(super) struct Ledger(Mutex<Connection>);

impl Ledger {
    /// Makes the tables. `journal_mode` is SQLite's: `delete` is what it does unless
    /// it is told otherwise.
    pub(super) fn create(path: &Path, journal_mode: &str) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", journal_mode)?;
        connection.execute_batch(TABLES)?;
        for tenant in 0..TENANTS {
            let budget = "INSERT INTO budget VALUES (?, ?, 0, 0, 0)";
            connection.execute(budget, params![scope(&format!("t{tenant}")), i64::MAX / 2])?;
        }
        Ok(Self(Mutex::new(connection)))
    }

    /// Holds the estimate, unless the budget lacks it or the key was used before.
    pub(super) fn reserve(
        &self,
        id: [u8; 16],
        request: &ReservationCreateRequest,
        hash: &[u8],
    ) -> Result<bool> {
        let tenant = request.subject.tenant.as_deref().unwrap_or_default();
        let (scope, amount) = (scope(tenant), request.estimate.amount);
        let key = request.idempotency_key.as_str();
        let asked = serde_json::to_string(request)?;
        let mut connection = self.0.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let known = "SELECT id FROM reservation WHERE tenant = ? AND key = ?";
        let is_known = transaction.prepare_cached(known)?.exists(params![tenant, key])?;
        if is_known || transaction.prepare_cached(HOLD)?.execute(params![scope, amount])? == 0 {
            return Ok(false);
        }
        transaction.prepare_cached(RESERVE)?.execute(params![
            id.as_slice(),
            tenant,
            key,
            hash,
            scope,
            amount,
            asked
        ])?;
        transaction.commit()?;
        Ok(true)
    }
}

fn scope(tenant: &str) -> String {
    format!("tenant:{tenant}/workspace:prod/agent:bot")
}
