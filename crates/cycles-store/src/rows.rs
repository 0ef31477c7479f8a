//! Reservations as rows.

use std::sync::Arc;

use cycles_engine::durable::{BudgetId, Record, Settled, Settlement, Slots, Snapshot, Work};
use cycles_ledger::{Reservation, ScopeSet, State};
use cycles_protocol::canonical::PayloadHash;
use cycles_protocol::scope::Level;
use cycles_protocol::{CommitOveragePolicy, IdempotencyKey, JsonMap, Unit};
use rusqlite::types::{FromSqlError, Type, ValueRef};
use rusqlite::{Error, Result, Row, Statement, params};
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

/// The columns that [`read`] reads, in its order.
pub(crate) const COLUMNS: &str = "id, state, unit, estimate, charged, created_at, expires_at, \
     grace_ms, ended_at, extensions, extensions_max, overage_policy, scopes, budgets, \
     subject_tenant, workspace, app, workflow, agent, toolset, dimensions, action_kind, \
     action_name, action_tags, metadata, key, hash, caps, first_expires_at, first_budgets, \
     settled_key, settled_hash, settled_released, settled_budgets, settled_metadata";
/// How many they are.
pub(crate) const COUNT: usize = 35;

pub(crate) const INSERT: &str = "INSERT INTO reservation (number, tenant, scope_path, id, state, unit, \
     estimate, charged, created_at, expires_at, grace_ms, ended_at, extensions, extensions_max, \
     overage_policy, scopes, budgets, subject_tenant, workspace, app, workflow, agent, toolset, \
     dimensions, action_kind, action_name, action_tags, metadata, key, hash, caps, \
     first_expires_at, first_budgets) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, \
     ?, ?, ?, ?, ?)";

pub(crate) const EXTEND: &str =
    "UPDATE reservation SET expires_at = ?2, extensions = ?3 WHERE id = ?1";

pub(crate) const END: &str = "UPDATE reservation SET state = ?2, charged = ?3, ended_at = ?4, \
     settled_key = ?5, settled_hash = ?6, settled_released = ?7, settled_budgets = ?8, \
     settled_metadata = ?9 WHERE id = ?1";

/// Inserts an open reservation with its number and its tenant's.
pub(crate) fn insert(
    statement: &mut Statement<'_>,
    number: i64,
    (tenant, tenant_id): (i64, &str),
    id: Uuid,
    record: &Record,
) -> Result<()> {
    let Record { reservation, work, .. } = record;
    let (state, charged, ended_at) = state_columns(reservation.state);
    let (kind, name) = work.kind_and_name();
    let scope_path = record.scopes(tenant_id).pop().unwrap_or_default();
    let level = |level| work.level(level);
    statement.execute(params![
        number,
        tenant,
        scope_path,
        id.as_bytes(),
        state,
        position(Unit::ALL, reservation.unit),
        reservation.estimate,
        charged,
        reservation.created_at,
        reservation.expires_at,
        reservation.grace_ms,
        ended_at,
        reservation.extensions,
        reservation.extensions_max,
        position(CommitOveragePolicy::ALL, reservation.overage_policy),
        reservation.scopes.bits(),
        budgets(&record.slots),
        level(Level::Tenant),
        level(Level::Workspace),
        level(Level::App),
        level(Level::Workflow),
        level(Level::Agent),
        level(Level::Toolset),
        json(work.dimensions())?,
        kind,
        name,
        json(work.tags())?,
        json(record.metadata.as_ref())?,
        &*record.key,
        record.hash.as_slice(),
        json(record.caps.as_ref())?,
        record.first_expires_at,
        record.first_budgets.as_bytes(),
    ])?;
    Ok(())
}

/// Ends a reservation; answers how many there were to end.
pub(crate) fn end(
    statement: &mut Statement<'_>,
    id: Uuid,
    reservation: &Reservation,
    settlement: Option<&Settlement>,
) -> Result<usize> {
    let (state, charged, ended_at) = state_columns(reservation.state);
    statement.execute(params![
        id.as_bytes(),
        state,
        charged,
        ended_at,
        settlement.map(|it| it.key.as_str()),
        settlement.map(|it| it.hash.as_slice()),
        settlement.map(|it| it.released),
        settlement.map(|it| it.budgets.as_bytes()),
        json(settlement.and_then(|it| it.metadata.as_ref()))?,
    ])
}

/// Reads what [`COLUMNS`] selects.
pub(crate) fn read(row: &Row<'_>) -> Result<(Uuid, Record)> {
    let id: [u8; 16] = row.get(0)?;
    let state = state(row)?;
    let reservation = Reservation {
        state,
        unit: at(Unit::ALL, row, 2)?,
        estimate: row.get(3)?,
        created_at: row.get(5)?,
        expires_at: row.get(6)?,
        grace_ms: row.get(7)?,
        extensions: row.get(9)?,
        extensions_max: row.get(10)?,
        overage_policy: at(CommitOveragePolicy::ALL, row, 11)?,
        scopes: ScopeSet::of_bits(row.get(12)?),
    };
    let mut subject = [None; Level::ALL.len()];
    for (column, slot) in (14..).zip(&mut subject) {
        *slot = row.get_ref(column)?.as_str_or_null().map_err(|error| invalid(column, error))?;
    }
    let levels = Level::ALL.into_iter().zip(subject);
    let levels = levels.filter_map(|(level, value)| Some((level, value?)));
    let work = Work::of(levels, text(row, 21)?, text(row, 22)?);
    let record = Record {
        reservation,
        slots: slots(blob(row, 13)?).ok_or_else(|| unreadable(13, "not six numbers"))?,
        work: work.with(parsed(row, 20)?, parsed(row, 23)?),
        metadata: parsed::<JsonMap>(row, 24)?.map(Box::new),
        key: text(row, 25)?.into(),
        hash: row.get(26)?,
        caps: parsed(row, 27)?.map(Arc::new),
        first_expires_at: row.get(28)?,
        first_budgets: Snapshot::from_bytes(blob(row, 29)?),
        settlement: settlement(row, state)?,
    };
    Ok((Uuid::from_bytes(id), record))
}

fn settlement(row: &Row<'_>, state: State) -> Result<Option<Box<Settlement>>> {
    let (by, charged) = match state {
        State::Committed { charged, .. } => (Settled::Commit, charged),
        // With its tenant, by no request of its own.
        State::Released { .. } if row.get_ref(30)? == ValueRef::Null => return Ok(None),
        State::Released { .. } => (Settled::Release, 0),
        State::Active | State::Expired { .. } => return Ok(None),
    };
    let hash: PayloadHash = row.get(31)?;
    Ok(Some(Box::new(Settlement {
        by,
        key: IdempotencyKey::new(text(row, 30)?),
        hash,
        charged,
        released: row.get(32)?,
        budgets: Snapshot::from_bytes(blob(row, 33)?),
        metadata: parsed(row, 34)?,
    })))
}

fn state_columns(state: State) -> (i64, Option<i64>, Option<i64>) {
    let charged = match state {
        State::Committed { charged, .. } => Some(charged),
        _ => None,
    };
    let number = match state {
        State::Active => 0,
        State::Committed { .. } => 1,
        State::Released { .. } => 2,
        State::Expired { .. } => 3,
    };
    (number, charged, state.ended_at())
}

fn state(row: &Row<'_>) -> Result<State> {
    Ok(match row.get(1)? {
        0_i64 => State::Active,
        1 => State::Committed { charged: row.get(4)?, at: row.get(8)? },
        2 => State::Released { at: row.get(8)? },
        3 => State::Expired { at: row.get(8)? },
        other => return Err(unreadable(1, &format!("no state has this number state={other}"))),
    })
}

fn budgets(slots: &Slots) -> Vec<u8> {
    let numbers = slots.positions().iter().map(|id| id.map_or(0, BudgetId::get));
    numbers.flat_map(u32::to_le_bytes).collect()
}

fn slots(bytes: &[u8]) -> Option<Slots> {
    let mut positions = [None; Level::ALL.len()];
    if bytes.len() != positions.len() * 4 {
        return None;
    }
    for (slot, number) in positions.iter_mut().zip(bytes.chunks_exact(4)) {
        *slot = BudgetId::numbered(u32::from_le_bytes(number.try_into().ok()?));
    }
    Some(Slots::new(positions))
}

fn position<T: PartialEq + Copy>(all: &[T], value: T) -> Option<i64> {
    all.iter().position(|known| *known == value).and_then(|index| i64::try_from(index).ok())
}

fn at<T: Copy>(all: &[T], row: &Row<'_>, column: usize) -> Result<T> {
    let index: u32 = row.get(column)?;
    all.get(index as usize).copied().ok_or_else(|| unreadable(column, "no value has this number"))
}

/// JSON, or nothing.
pub(crate) fn json<T: Serialize>(value: Option<&T>) -> Result<Option<String>> {
    let write = |value| {
        serde_json::to_string(value).map_err(|error| Error::ToSqlConversionFailure(error.into()))
    };
    value.map(write).transpose()
}

/// What [`json`] wrote.
pub(crate) fn parsed<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<Option<T>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        value => {
            let text = value.as_str().map_err(|error| invalid(column, error))?;
            serde_json::from_str(text)
                .map(Some)
                .map_err(|error| Error::FromSqlConversionFailure(column, Type::Text, error.into()))
        }
    }
}

pub(crate) fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str> {
    row.get_ref(column)?.as_str().map_err(|error| invalid(column, error))
}

fn blob<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8]> {
    row.get_ref(column)?.as_blob().map_err(|error| invalid(column, error))
}

fn invalid(column: usize, error: FromSqlError) -> Error {
    Error::FromSqlConversionFailure(column, Type::Null, error.into())
}

pub(crate) fn unreadable(column: usize, why: &str) -> Error {
    Error::FromSqlConversionFailure(column, Type::Null, why.to_owned().into())
}
