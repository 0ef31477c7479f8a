//! One batch of changes as one transaction.

use std::collections::HashMap;

use cycles_engine::durable::{
    ApiKey, BudgetRow, Change, Changes, Endpoint, KeptPeriods, KeyHash, Replay, ReplayKey, Stored,
};
use cycles_ledger::{Budget, CapsRule};
use cycles_protocol::CommitOveragePolicy;
use rusqlite::{Connection, Error, Result, params};

use crate::keys::Numbers;
use crate::rows::{self, json};

/// The numbers of tenants, by their ids.
pub(crate) type Tenants = HashMap<String, i64>;

const AMOUNTS: &str = "UPDATE budget SET allocated = ?3, spent = ?4, reserved = ?5, debt = ?6, \
     overdraft_limit = ?7, is_over_limit = ?8, status = ?9, overage_policy = ?10, \
     periods = ?11 WHERE tenant = ?1 AND number = ?2";

const REPLAY: &str = "INSERT OR REPLACE INTO replay (tenant, endpoint, target, key, hash, until, \
     answer) VALUES (?, ?, ?, ?, ?, ?, ?)";

/// Writes a batch within the transaction that is open. Of the amounts of a
/// budget only the last ones count.
pub(crate) fn batch(
    connection: &Connection,
    tenants: &mut Tenants,
    numbers: &mut Numbers,
    batch: &[Changes],
) -> Result<()> {
    let mut reserve = connection.prepare_cached(rows::INSERT)?;
    let mut amounts: HashMap<(i64, u32), (&Budget, Option<&KeptPeriods>)> = HashMap::new();
    for Changes { tenant: id, changes } in batch {
        for change in changes {
            match change {
                Change::Amounts(budget, after, periods) => {
                    let after = (after, periods.as_deref());
                    amounts.insert((number(tenants, id)?, budget.get()), after);
                }
                Change::Reserved(reservation, record) => {
                    let tenant = number(tenants, id)?;
                    let number = numbers.next(tenant, &record.key);
                    rows::insert(&mut reserve, number, (tenant, id), *reservation, record)?;
                }
                change => one(connection, tenants, id, change)?,
            }
        }
    }
    let mut update = connection.prepare_cached(AMOUNTS)?;
    for ((tenant, number), (budget, periods)) in amounts {
        let changed = update.execute(params![
            tenant,
            number,
            budget.allocated(),
            budget.spent(),
            budget.reserved(),
            budget.debt(),
            budget.overdraft_limit(),
            budget.is_over_limit(),
            budget.status().as_str(),
            budget.overage_policy().map(CommitOveragePolicy::as_str),
            json(periods)?,
        ])?;
        expect_one(changed)?;
    }
    let counted = "UPDATE meta SET value = value + 1 WHERE name = 'batch'";
    expect_one(connection.prepare_cached(counted)?.execute([])?)
}

fn one(connection: &Connection, tenants: &mut Tenants, id: &str, change: &Change) -> Result<()> {
    match change {
        Change::Tenant(record) => {
            let insert = "INSERT INTO tenant (id, record) VALUES (?, ?)";
            connection
                .prepare_cached(insert)?
                .execute(params![record.tenant_id, json(Some(record))?])?;
            tenants.insert(record.tenant_id.clone(), connection.last_insert_rowid());
        }
        Change::TenantRecord(record) => {
            let update = "UPDATE tenant SET record = ?2 WHERE number = ?1";
            let values = params![number(tenants, id)?, json(Some(record))?];
            expect_one(connection.prepare_cached(update)?.execute(values)?)?;
        }
        Change::Key(hash, key) => api_key(connection, number(tenants, id)?, hash, key)?,
        Change::KeyRecord(record) => {
            let update = "UPDATE api_key SET record = ?2 WHERE key_id = ?1";
            let values = params![record.key_id, json(Some(record))?];
            expect_one(connection.prepare_cached(update)?.execute(values)?)?;
        }
        Change::Budget(budget, row) => {
            new_budget(connection, number(tenants, id)?, budget.get(), row)?;
        }
        Change::Policy(record, caps_from) => {
            let insert = "INSERT INTO policy (tenant, record, caps_from) VALUES (?, ?, ?)";
            let values = params![number(tenants, id)?, json(Some(record))?, caps_from];
            connection.prepare_cached(insert)?.execute(values)?;
        }
        Change::Reservation(reservation, after, settlement) => {
            if after.state.ended_at().is_some() {
                let mut end = connection.prepare_cached(rows::END)?;
                expect_one(rows::end(&mut end, *reservation, after, settlement.as_deref())?)?;
            } else {
                let values = params![reservation.as_bytes(), after.expires_at, after.extensions];
                expect_one(connection.prepare_cached(rows::EXTEND)?.execute(values)?)?;
            }
        }
        Change::Replay(key, kept) => replay(connection, number(tenants, id)?, key, kept)?,
        Change::Audit(row) => {
            let insert = "INSERT INTO audit (number, at, entry) VALUES (?, ?, ?)";
            // SQLite's numbers have a sign; no log has that many entries.
            let number = row.number.cast_signed();
            let values = params![number, row.at, json(Some(&row.entry))?];
            connection.prepare_cached(insert)?.execute(values)?;
        }
        Change::Amounts(..) | Change::Reserved(..) => {} // in `batch`
    }
    Ok(())
}

fn api_key(connection: &Connection, tenant: i64, hash: &KeyHash, key: &ApiKey) -> Result<()> {
    let insert = "INSERT INTO api_key (hash, tenant, key_id, record, expires_at) \
         VALUES (?, ?, ?, ?, ?)";
    let record = json(Some(&key.record))?;
    let values = params![hash.0.as_slice(), tenant, key.record.key_id, record, key.expires_at];
    connection.prepare_cached(insert)?.execute(values)?;
    Ok(())
}

fn new_budget(connection: &Connection, tenant: i64, number: u32, row: &BudgetRow) -> Result<()> {
    let BudgetRow { budget, caps, .. } = row;
    let insert = "INSERT INTO budget (tenant, number, scope, unit, ledger_id, created_at, \
         allocated, spent, reserved, debt, overdraft_limit, is_over_limit, status, \
         overage_policy, caps, caps_from, periods) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    connection.prepare_cached(insert)?.execute(params![
        tenant,
        number,
        &*row.scope,
        row.unit.as_str(),
        row.ledger_id,
        row.created_at,
        budget.allocated(),
        budget.spent(),
        budget.reserved(),
        budget.debt(),
        budget.overdraft_limit(),
        budget.is_over_limit(),
        budget.status().as_str(),
        budget.overage_policy().map(CommitOveragePolicy::as_str),
        json(caps.as_ref().map(CapsRule::caps))?,
        caps.as_ref().map(CapsRule::at_utilization),
        json(row.periods().as_ref())?,
    ])?;
    Ok(())
}

fn replay(connection: &Connection, tenant: i64, key: &ReplayKey, kept: &Replay) -> Result<()> {
    connection.prepare_cached(REPLAY)?.execute(params![
        tenant,
        endpoint(key.endpoint),
        key.target.to_be_bytes().as_slice(),
        key.key.as_str(),
        kept.hash.as_slice(),
        kept.until,
        match &kept.answer {
            Stored::Create(answer) => json(Some(answer)),
            Stored::Decide(answer) => json(Some(answer)),
            Stored::Event(answer) => json(Some(answer)),
            Stored::Extend(answer) => json(Some(answer)),
            Stored::Fund(answer) => json(Some(answer)),
        }?,
    ])?;
    Ok(())
}

/// An endpoint as it stands in the table.
pub(crate) const fn endpoint(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Create => "create",
        Endpoint::Decide => "decide",
        Endpoint::Event => "event",
        Endpoint::Extend => "extend",
        Endpoint::Fund => "fund",
    }
}

fn number(tenants: &Tenants, id: &str) -> Result<i64> {
    tenants.get(id).copied().ok_or(Error::QueryReturnedNoRows)
}

/// What memory knows must be in the ledger too.
fn expect_one(changed: usize) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(Error::StatementChangedRows(changed)) }
}
