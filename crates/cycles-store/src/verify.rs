//! [`verify`]: whether a ledger is whole, and its amounts add up.

use std::collections::HashMap;
use std::path::Path;

use cycles_engine::durable::{BudgetId, Record};
use cycles_ledger::State;
use rusqlite::{Connection, Result};
use uuid::Uuid;

use crate::directory::{Directory, LOG, SUMS, ledger_of, unusable};
use crate::error::InFile;
use crate::keys::keyed;
use crate::schema::open_to_read;
use crate::sqlite::check_whole;
use crate::sums::{self, Found};
use crate::{StoreError, reader, rows};

/// What a check of a ledger counted, and all that is wrong with it.
#[derive(Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// How many tenants there are.
    pub tenants: u64,
    /// How many budgets there are.
    pub budgets: u64,
    /// How many reservations there are.
    pub reservations: u64,
    /// How many of those are open.
    pub open: u64,
    /// Every rule that is broken, with what breaks it; none in a sound ledger.
    pub problems: Vec<String>,
}

/// A budget, by its tenant's number and its own.
type Key = (i64, u32);

/// Checks every rule over the ledger in `directory`, at one moment of it; a
/// server may go on meanwhile:
///
/// - the files are what was written, and SQLite finds them whole;
/// - every row can be read, and no amount is negative or out of range;
/// - what a budget holds is the sum of the open reservations on it;
/// - a reservation holds on budgets of its tenant, in its unit, of its scopes;
/// - an ended reservation says when and, if it was settled, by which request;
/// - no key made two reservations that are both remembered, and every key finds its
///   reservation.
///
/// # Errors
/// [`StoreError`], where there is no ledger or it cannot be read at all.
pub fn verify(directory: &Path) -> std::result::Result<Verified, StoreError> {
    let ledger = ledger_of(directory)?;
    let mut verified = Verified::default();
    // Nobody begins to serve meanwhile; where somebody does already, its log may
    // be put in its place under the check of the pages.
    let taken = match Directory::take(directory) {
        Err(StoreError::InUse { .. }) => None,
        taken => Some(taken?),
    };
    if taken.is_some() {
        check_pages(directory, &ledger, &mut verified)?;
    }
    let connection = match open_to_read(&ledger) {
        Err(StoreError::Damaged { what, .. }) => {
            verified.problems.push(what);
            return Ok(verified);
        }
        connection => connection?,
    };
    // One transaction, so that all looks see the same moment.
    let moment = connection.unchecked_transaction().in_file(&ledger)?;
    match check_whole(&moment, &ledger) {
        Ok(()) => {}
        Err(StoreError::Damaged { what, .. }) => verified.problems.push(what),
        Err(error) => return Err(error),
    }
    if let Err(error) = check_rules(&moment, &mut verified) {
        verified.problems.push(format!("a row cannot be read: {error}"));
    }
    Ok(verified)
}

fn check_pages(
    directory: &Path,
    ledger: &Path,
    verified: &mut Verified,
) -> std::result::Result<(), StoreError> {
    let found = sums::check(ledger, &directory.join(SUMS), &directory.join(LOG));
    if let Found::Differs { page, pages, .. } = found.map_err(|it| unusable(ledger, it))? {
        verified.problems.push(format!("page {page} of {pages} is not what was written"));
    }
    Ok(())
}

fn check_rules(connection: &Connection, verified: &mut Verified) -> Result<()> {
    let contents = reader::contents(connection)?;
    let numbers = reader::tenant_numbers(connection)?;
    let mut budgets = HashMap::new();
    let mut reserved: HashMap<Key, i64> = HashMap::new();
    for (tenant, number) in contents.tenants.iter().zip(&numbers) {
        verified.tenants += 1;
        for (row, index) in tenant.budgets.iter().zip(1..) {
            verified.budgets += 1;
            budgets.insert((*number, index), row);
        }
    }
    let text = format!("SELECT {}, tenant FROM reservation", rows::COLUMNS);
    let mut select = connection.prepare(&text)?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let (id, record) = rows::read(row)?;
        let tenant: i64 = row.get(rows::COUNT)?;
        verified.reservations += 1;
        let open = record.reservation.state == State::Active;
        verified.open += u64::from(open);
        let owner = numbers.iter().position(|number| *number == tenant);
        let Some(owner) = owner.map(|index| &contents.tenants[index].record.tenant_id) else {
            let problem = format!("reservation of no tenant id={id} tenant={tenant}");
            verified.problems.push(problem);
            continue;
        };
        let problems = check_holds(&record, id, owner, |budget: BudgetId| {
            let key = (tenant, budget.get());
            if open {
                let held = reserved.entry(key).or_default();
                *held = held.saturating_add(record.reservation.estimate);
            }
            budgets.get(&key).map(|row| (&*row.scope, row.unit))
        });
        verified.problems.extend(problems);
    }
    for (key, row) in &budgets {
        let held = reserved.get(key).copied().unwrap_or(0);
        if held != row.budget.reserved() {
            verified.problems.push(format!(
                "a budget does not hold what open reservations hold on it scope={} unit={} reserved={} held={held}",
                row.scope, row.unit, row.budget.reserved()
            ));
        }
    }
    repeated_keys(connection, verified)?;
    lost_keys(connection, verified)
}

/// What is wrong with one reservation.
fn check_holds<'b>(
    record: &Record,
    id: Uuid,
    tenant: &str,
    mut budget: impl FnMut(BudgetId) -> Option<(&'b str, cycles_protocol::Unit)>,
) -> Vec<String> {
    let mut problems = Vec::new();
    let reservation = &record.reservation;
    let scopes = record.scopes(tenant);
    for (position, slot) in record.slots.positions().iter().enumerate() {
        if slot.is_some() != reservation.scopes.contains(position) {
            problems.push(format!("reservation holds on other scopes than it says id={id}"));
        }
        let Some(slot) = slot else { continue };
        match budget(*slot) {
            None => problems.push(format!(
                "reservation holds on a budget that is not there id={id} budget={}",
                slot.get()
            )),
            Some((scope, unit)) => {
                let is_its_scope = scopes.get(position).is_some_and(|its| its == scope);
                if !is_its_scope || unit != reservation.unit {
                    problems.push(format!(
                        "reservation holds on a budget of another scope or unit id={id} scope={scope} unit={unit}"
                    ));
                }
            }
        }
    }
    if reservation.estimate < 0 || reservation.expires_at < reservation.created_at {
        problems.push(format!("reservation has an amount or a lease that cannot be id={id}"));
    }
    if let State::Committed { charged, .. } = reservation.state
        && charged < 0
    {
        problems.push(format!("reservation was charged less than nothing id={id}"));
    }
    problems
}

fn repeated_keys(connection: &Connection, verified: &mut Verified) -> Result<()> {
    let mut select = connection.prepare(
        "SELECT key, count(*) FROM reservation WHERE state IN (0, 1, 2) \
         GROUP BY tenant, key HAVING count(*) > 1 LIMIT 10",
    )?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let (key, count): (String, i64) = (row.get(0)?, row.get(1)?);
        verified.problems.push(format!(
            "an idempotency key made several reservations key={key} reservations={count}"
        ));
    }
    Ok(())
}

/// Keys that would make a second reservation, since the table of keys lacks them.
fn lost_keys(connection: &Connection, verified: &mut Verified) -> Result<()> {
    let mut select = connection.prepare(
        "SELECT r.key FROM reservation AS r WHERE r.number <= ? AND NOT EXISTS \
         (SELECT 1 FROM reservation_key AS k \
          WHERE k.tenant = r.tenant AND k.key = r.key AND k.number = r.number) LIMIT 10",
    )?;
    let mut found = select.query([keyed(connection)?])?;
    while let Some(row) = found.next()? {
        let key: String = row.get(0)?;
        verified
            .problems
            .push(format!("an idempotency key does not find its reservation key={key}"));
    }
    Ok(())
}
