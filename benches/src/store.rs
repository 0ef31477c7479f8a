//! The durable store: against the memory store over HTTP, against one sync of the
//! same disk, and against SQLite with a transaction for each request.

mod large;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Load, Round, Server, Target, load};
use crate::sample::{median, percentile_us};

const CLIENTS: usize = 64;
/// Requests of a round with all clients, and with one.
const REQUESTS: (usize, usize) = (16_000, 300);
/// Syncs and transactions that are measured.
const SYNCS: usize = 100;

/// One server's figures.
struct Figures {
    per_s: f64,
    p50_ms: f64,
    each_transaction: f64,
}

pub(crate) fn measure(runs: usize, reservations: usize) -> Result<Value> {
    let (mut durable, mut memory) = (Vec::new(), Vec::new());
    let (mut syncs, mut naive) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        // One after the other, so that whatever else the machine does hits all.
        durable.push(once(Target::Durable)?);
        syncs.push(sync_ms(place()?.path())?);
        naive.push(transaction_each(place()?.path())?);
        memory.push(once(Target::Memory)?);
    }
    let middle =
        |of: &[Figures], figure: fn(&Figures) -> f64| median(of.iter().map(figure).collect());
    Ok(json!({
        "sync_ms": median(syncs),
        "durable_per_s": middle(&durable, |it| it.per_s),
        "durable_p50_ms": middle(&durable, |it| it.p50_ms),
        "requests_each_transaction": middle(&durable, |it| it.each_transaction),
        "memory_per_s": middle(&memory, |it| it.per_s),
        "memory_p50_ms": middle(&memory, |it| it.p50_ms),
        "transaction_each_per_s": median(naive),
        "large": large::measure(reservations)?,
    }))
}

/// A directory on the disk that builds are on; /tmp may be memory.
pub(crate) fn place() -> Result<TempDir> {
    let program = std::env::current_exe()?;
    Ok(tempfile::tempdir_in(program.parent().context("no directory")?)?)
}

fn once(target: Target) -> Result<Figures> {
    let place = place()?;
    let data = place.path().join("data");
    let server = Server::start(target, (target == Target::Durable).then_some(&data))?;
    let round = |clients, requests| load(server.address, Load::Shared, clients, requests);
    round(CLIENTS, REQUESTS.0 / 8)?; // warms up
    let before = transactions(target, &data)?;
    let Round { took, times } = round(CLIENTS, REQUESTS.0)?;
    let each_transaction = times.len() as f64 / (transactions(target, &data)? - before);
    let mut alone = round(1, REQUESTS.1)?;
    Ok(Figures {
        per_s: times.len() as f64 / took.as_secs_f64(),
        p50_ms: percentile_us(&mut alone.times, 50) / 1e3,
        each_transaction,
    })
}

/// How many there were so far.
fn transactions(target: Target, data: &Path) -> Result<f64> {
    if target != Target::Durable {
        return Ok(f64::NAN);
    }
    let ledger = Connection::open(data.join("ledger.db"))?;
    let select = "SELECT value FROM meta WHERE name = 'batch'";
    Ok(ledger.query_row(select, [], |row| row.get(0))?)
}

/// Writing as much as a small transaction over what is there, and waiting for it.
fn sync_ms(place: &Path) -> Result<f64> {
    let file = File::create(place.join("file"))?;
    let pages = vec![7; 6 * 4096];
    file.write_all_at(&pages.repeat(SYNCS), 0)?;
    file.sync_all()?;
    let once = |index: usize| -> Result<f64> {
        let start = Instant::now();
        file.write_all_at(&pages, (index * pages.len()) as u64)?;
        file.sync_data()?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    Ok(median((0..SYNCS).map(once).collect::<Result<_>>()?))
}

/// What a ledger on SQLite does without batches: two budgets and a row, synced.
fn transaction_each(place: &Path) -> Result<f64> {
    let connection = Connection::open(place.join("naive.db"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(
        "CREATE TABLE budget (id INTEGER PRIMARY KEY, reserved INTEGER);
         INSERT INTO budget VALUES (1, 0), (2, 0);
         CREATE TABLE reservation (id TEXT PRIMARY KEY, estimate INTEGER, body TEXT);",
    )?;
    let start = Instant::now();
    for _ in 0..SYNCS {
        let transaction = connection.unchecked_transaction()?;
        transaction.prepare_cached("UPDATE budget SET reserved = reserved + 10")?.execute([])?;
        let id = format!("{:032x}", u128::from(fastrand::u64(..)) << 64);
        let body = "x".repeat(300);
        transaction
            .prepare_cached("INSERT INTO reservation VALUES (?, 10, ?)")?
            .execute(params![id, body])?;
        transaction.commit()?;
    }
    Ok(SYNCS as f64 / start.elapsed().as_secs_f64())
}
