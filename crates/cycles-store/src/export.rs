//! [`export`]: a ledger as lines of JSON.

use std::io::{self, Write};
use std::path::Path;

use cycles_engine::durable::BudgetRow;
use cycles_protocol::{Amount, SignedAmount};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::directory::ledger_of;
use crate::error::InFile;
use crate::schema::open_to_read;
use crate::{StoreError, reader, rows};

/// Why an export did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The ledger cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody takes the lines.
    #[error("export cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Writes the ledger in `directory` to `out`, one JSON object a line, each with
/// a `type`: `tenant`, `budget`, `policy`, `key` (without its secret),
/// `reservation`, `answer` (what a repeated key gets again, direct events among
/// them) and `audit`. All lines are of one moment; a server may go on meanwhile.
///
/// # Errors
/// [`ExportError`].
pub fn export(directory: &Path, out: &mut dyn Write) -> Result<(), ExportError> {
    let ledger = ledger_of(directory)?;
    let connection = open_to_read(&ledger)?;
    let moment = connection.unchecked_transaction().in_file(&ledger)?;
    let mut failed = None;
    let mut line = |value: Value| -> bool {
        if failed.is_none() {
            failed = writeln!(out, "{value}").err();
        }
        failed.is_none()
    };
    provisioned(&moment, &mut line).in_file(&ledger)?;
    reservations(&moment, &mut line).in_file(&ledger)?;
    answers(&moment, &mut line).in_file(&ledger)?;
    audit(&moment, &mut line).in_file(&ledger)?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(out.flush()?),
    }
}

/// Takes one line; `false` once nobody takes any more.
type Line<'l> = &'l mut dyn FnMut(Value) -> bool;

fn provisioned(connection: &Connection, line: Line<'_>) -> rusqlite::Result<()> {
    let contents = reader::contents(connection)?;
    for tenant in &contents.tenants {
        let id = &tenant.record.tenant_id;
        line(json!({"type": "tenant", "tenant": tenant.record}));
        for row in &tenant.budgets {
            line(json!({"type": "budget", "tenant_id": id, "budget": budget(row)}));
        }
        for (policy, caps_from) in &tenant.policies {
            line(json!({
                "type": "policy", "tenant_id": id, "policy": policy, "caps_from_percent": caps_from,
            }));
        }
    }
    for (_, key) in &contents.keys {
        line(json!({"type": "key", "key": key.record}));
    }
    Ok(())
}

fn budget(row: &BudgetRow) -> Value {
    let BudgetRow { scope, unit, budget, caps, .. } = row;
    let amount = |amount| Amount::new(*unit, amount);
    json!({
        "ledger_id": row.ledger_id,
        "scope": **scope,
        "unit": unit,
        "created_at_ms": row.created_at,
        "allocated": amount(budget.allocated()),
        "remaining": SignedAmount::new(*unit, budget.remaining()),
        "reserved": amount(budget.reserved()),
        "spent": amount(budget.spent()),
        "debt": amount(budget.debt()),
        "overdraft_limit": amount(budget.overdraft_limit()),
        "is_over_limit": budget.is_over_limit(),
        "status": budget.status(),
        "commit_overage_policy": budget.overage_policy(),
        "caps": caps.as_ref().map(cycles_ledger::CapsRule::caps),
        "caps_from_percent": caps.as_ref().map(cycles_ledger::CapsRule::at_utilization),
        "periods": row.periods(),
    })
}

fn reservations(connection: &Connection, line: Line<'_>) -> rusqlite::Result<()> {
    let text = format!(
        "SELECT {}, (SELECT id FROM tenant WHERE number = reservation.tenant) \
         FROM reservation ORDER BY number",
        rows::COLUMNS
    );
    let mut select = connection.prepare(&text)?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let (id, record) = rows::read(row)?;
        let tenant: String = row.get(rows::COUNT)?;
        let detail = record.detail(id, &tenant);
        let value = json!({"type": "reservation", "tenant_id": tenant, "reservation": detail});
        if !line(value) {
            break;
        }
    }
    Ok(())
}

fn answers(connection: &Connection, line: Line<'_>) -> rusqlite::Result<()> {
    let mut select = connection.prepare(
        "SELECT t.id, r.endpoint, r.key, r.until, r.answer \
         FROM replay AS r JOIN tenant AS t ON t.number = r.tenant ORDER BY r.number",
    )?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let (tenant, endpoint): (String, String) = (row.get(0)?, row.get(1)?);
        let (key, until): (String, i64) = (row.get(2)?, row.get(3)?);
        let answer: Option<Value> = rows::parsed(row, 4)?;
        let value = json!({
            "type": "answer", "tenant_id": tenant, "endpoint": endpoint, "idempotency_key": key,
            "until_ms": until, "answer": answer,
        });
        if !line(value) {
            break;
        }
    }
    Ok(())
}

fn audit(connection: &Connection, line: Line<'_>) -> rusqlite::Result<()> {
    let mut select = connection.prepare("SELECT entry FROM audit ORDER BY number")?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let entry: Option<Value> = rows::parsed(row, 0)?;
        if !line(json!({"type": "audit", "entry": entry})) {
            break;
        }
    }
    Ok(())
}
