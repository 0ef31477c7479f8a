//! Reading what was committed.

use cycles_engine::durable::{
    ApiKey, AuditRow, BudgetRow, Contents, Endpoint, KeyHash, Record, Replay, ReplayKey, Stored,
    TenantContents,
};
use cycles_ledger::budget::Opening;
use cycles_ledger::{Budget, CapsRule};
use cycles_protocol::control::{self, BudgetStatus, Policy};
use cycles_protocol::{Caps, CommitOveragePolicy, Principal, Unit};
use rusqlite::{Connection, OptionalExtension, Result, Row, params};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use uuid::Uuid;

use crate::apply::{Tenants, endpoint};
use crate::rows::{self, parsed, text, unreadable};

/// Entries of the audit log that a start reads.
const AUDIT: i64 = 10_000;

/// The numbers of all tenants.
pub(crate) fn tenants(connection: &Connection) -> Result<Tenants> {
    let mut select = connection.prepare("SELECT id, number FROM tenant")?;
    select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

/// The numbers of all tenants, in the order of [`contents`].
pub(crate) fn tenant_numbers(connection: &Connection) -> Result<Vec<i64>> {
    let mut select = connection.prepare("SELECT number FROM tenant ORDER BY number")?;
    select.query_map([], |row| row.get(0))?.collect()
}

/// All there is but reservations and replays.
pub(crate) fn contents(connection: &Connection) -> Result<Contents> {
    let mut contents = Contents::default();
    let mut select = connection.prepare("SELECT number, record FROM tenant ORDER BY number")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let record = required(row, 1)?;
        contents.tenants.push(TenantContents {
            record,
            budgets: budgets(connection, number)?,
            policies: policies(connection, number)?,
            has_history: has_history(connection, number)?,
        });
    }
    contents.keys = keys(connection)?;
    contents.audit = audit(connection)?;
    Ok(contents)
}

fn budgets(connection: &Connection, tenant: i64) -> Result<Vec<BudgetRow>> {
    let mut select = connection.prepare_cached(
        "SELECT number, scope, unit, ledger_id, created_at, allocated, spent, reserved, debt, \
         overdraft_limit, is_over_limit, status, overage_policy, caps, caps_from, periods \
         FROM budget WHERE tenant = ? ORDER BY number",
    )?;
    let mut rows = select.query([tenant])?;
    let mut budgets = Vec::new();
    while let Some(row) = rows.next()? {
        let number: u32 = row.get(0)?;
        if number as usize != budgets.len() + 1 {
            return Err(unreadable(0, "a budget is missing before this one"));
        }
        budgets.push(budget(row)?);
    }
    Ok(budgets)
}

fn budget(row: &Row<'_>) -> Result<BudgetRow> {
    let policy: Option<String> = row.get(12)?;
    let opening = Opening {
        allocated: row.get(5)?,
        spent: row.get(6)?,
        debt: row.get(8)?,
        overdraft_limit: row.get(9)?,
        is_over_limit: row.get(10)?,
        status: BudgetStatus::parse(text(row, 11)?),
        overage_policy: policy.as_deref().map(CommitOveragePolicy::parse),
    };
    let budget = Budget::restored(opening, row.get(7)?)
        .map_err(|_| unreadable(5, "amounts of a budget that cannot be"))?;
    let caps: Option<Caps> = parsed(row, 13)?;
    let caps_from: Option<u8> = row.get(14)?;
    BudgetRow::kept(
        (text(row, 1)?.into(), Unit::parse(text(row, 2)?)),
        (row.get(3)?, row.get(4)?),
        budget,
        caps.and_then(|caps| CapsRule::new(caps_from.unwrap_or(0), caps)),
        parsed(row, 15)?,
    )
    .map_err(|error| unreadable(15, error.message()))
}

fn policies(connection: &Connection, tenant: i64) -> Result<Vec<(Policy, u8)>> {
    let mut select = connection
        .prepare_cached("SELECT record, caps_from FROM policy WHERE tenant = ? ORDER BY number")?;
    select.query_map([tenant], |row| Ok((required(row, 0)?, row.get(1)?)))?.collect()
}

fn has_history(connection: &Connection, tenant: i64) -> Result<bool> {
    let mut select = connection.prepare_cached(
        "SELECT EXISTS (SELECT 1 FROM reservation WHERE tenant = ?1 AND state > 0) \
         OR EXISTS (SELECT 1 FROM replay WHERE tenant = ?1)",
    )?;
    select.query_row([tenant], |row| row.get(0))
}

fn keys(connection: &Connection) -> Result<Vec<(KeyHash, ApiKey)>> {
    let mut select = connection.prepare("SELECT hash, record, expires_at FROM api_key")?;
    let key = |row: &Row<'_>| {
        let record: control::ApiKey = required(row, 1)?;
        let principal = Principal::Tenant {
            tenant_id: record.tenant_id.as_str().into(),
            key_id: record.key_id.as_str().into(),
            permissions: record.permissions.as_slice().into(),
            scope_filter: record.scope_filter.as_slice().into(),
        };
        Ok((KeyHash(row.get(0)?), ApiKey { principal, expires_at: row.get(2)?, record }))
    };
    select.query_map([], key)?.collect()
}

fn audit(connection: &Connection) -> Result<Vec<AuditRow>> {
    let mut select =
        connection.prepare("SELECT number, at, entry FROM audit ORDER BY number DESC LIMIT ?")?;
    let row = |row: &Row<'_>| {
        let number: i64 = row.get(0)?;
        Ok(AuditRow { number: number.cast_unsigned(), at: row.get(1)?, entry: required(row, 2)? })
    };
    let mut rows: Vec<_> = select.query_map([AUDIT], row)?.collect::<Result<_>>()?;
    rows.reverse();
    Ok(rows)
}

/// Rows that are handed over at once.
const CHUNK: usize = 1_000;

/// Open reservations with the position of their tenant.
pub(crate) type OpenRows = Vec<(usize, Uuid, Record)>;

/// Sends every open reservation, in chunks, until nobody takes them.
pub(crate) fn open_chunks(
    connection: &Connection,
    chunks: &std::sync::mpsc::SyncSender<OpenRows>,
) -> Result<()> {
    let mut chunk = OpenRows::with_capacity(CHUNK);
    for (position, tenant) in tenant_numbers(connection)?.into_iter().enumerate() {
        open_reservations(connection, tenant, &mut |id, record| {
            chunk.push((position, id, record));
            if chunk.len() == CHUNK {
                let full = std::mem::replace(&mut chunk, OpenRows::with_capacity(CHUNK));
                // Whoever asked is gone only where it panicked.
                _ = chunks.send(full);
            }
        })?;
    }
    _ = chunks.send(chunk);
    Ok(())
}

/// Hands over every open reservation of one tenant.
fn open_reservations(
    connection: &Connection,
    tenant: i64,
    each: &mut dyn FnMut(Uuid, Record),
) -> Result<()> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {} FROM reservation INDEXED BY reservation_state \
         WHERE tenant = ? AND state = 0 ORDER BY id",
        rows::COLUMNS
    ))?;
    let mut rows = select.query([tenant])?;
    while let Some(row) = rows.next()? {
        let (id, record) = rows::read(row)?;
        each(id, record);
    }
    Ok(())
}

/// A reservation and whose it is.
pub(crate) fn reservation(connection: &Connection, id: Uuid) -> Result<Option<(String, Record)>> {
    let mut select = connection.prepare_cached(&format!(
        "SELECT {}, (SELECT t.id FROM tenant AS t WHERE t.number = r.tenant) \
         FROM reservation AS r WHERE r.id = ?",
        qualified()
    ))?;
    let read = |row: &Row<'_>| Ok((row.get(rows::COUNT)?, rows::read(row)?.1));
    select.query_row([id.as_bytes()], read).optional()
}

/// `id` is a column of both tables.
fn qualified() -> String {
    rows::COLUMNS.split(", ").map(|name| format!("r.{name}")).collect::<Vec<_>>().join(", ")
}

/// The reservation with a number.
pub(crate) fn reservation_numbered(
    connection: &Connection,
    number: i64,
) -> Result<Option<(Uuid, Record)>> {
    let select = format!("SELECT {} FROM reservation WHERE number = ?", rows::COLUMNS);
    connection.prepare_cached(&select)?.query_row([number], rows::read).optional()
}

/// An answer that is kept for replays.
pub(crate) fn replay(
    connection: &Connection,
    tenant: i64,
    key: &ReplayKey,
) -> Result<Option<Replay>> {
    let mut select = connection.prepare_cached(
        "SELECT hash, until, answer FROM replay \
         WHERE tenant = ? AND key = ? AND endpoint = ? AND target = ?",
    )?;
    let target = key.target.to_be_bytes();
    let values = params![tenant, key.key.as_str(), endpoint(key.endpoint), target.as_slice()];
    let read = |row: &Row<'_>| {
        Ok(Replay { hash: row.get(0)?, until: row.get(1)?, answer: answer(key.endpoint, row)? })
    };
    select.query_row(values, read).optional()
}

fn answer(endpoint: Endpoint, row: &Row<'_>) -> Result<Stored> {
    Ok(match endpoint {
        Endpoint::Create => Stored::Create(Arc::new(required(row, 2)?)),
        Endpoint::Decide => Stored::Decide(Arc::new(required(row, 2)?)),
        Endpoint::Event => Stored::Event(Arc::new(required(row, 2)?)),
        Endpoint::Extend => Stored::Extend(Arc::new(required(row, 2)?)),
        Endpoint::Fund => Stored::Fund(Arc::new(required(row, 2)?)),
    })
}

fn required<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T> {
    parsed(row, column)?.ok_or_else(|| unreadable(column, "JSON is missing"))
}
