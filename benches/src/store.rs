//! The durable store over HTTP: against the memory store, against SQLite with a
//! transaction for each request, and against one sync of the same disk.

mod large;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Load, Round, Server, Target, load};
use crate::sample::{median, percentile_us};

const CLIENTS: usize = 64;
/// Requests of a round with all clients, so many that the log is put in its place
/// several times; and with one.
const REQUESTS: (usize, usize) = (64_000, 300);
const SYNCS: usize = 100;
/// Milliseconds that a slower disk would take more for a transaction.
const SLOWER_BY_MS: [f64; 3] = [0.1, 0.25, 1.0];
/// Requests of a round in which each is a transaction of its own.
const REQUESTS_EACH: usize = 4_000;

/// One server's figures.
struct Figures {
    per_s: f64,
    p50_ms: f64,
    /// Of all the server's threads, with all clients.
    cpu_us: f64,
    each_transaction: f64,
}

pub(crate) fn measure(runs: usize, reservations: usize, directory: Option<&Path>) -> Result<Value> {
    let place = || place(directory);
    let once = |target, slower_by| once(target, &place()?, slower_by);
    let (mut durable, mut memory, mut each) = (Vec::new(), Vec::new(), Vec::new());
    let (mut in_sql, mut in_sql_wal) = (Vec::new(), Vec::new());
    let mut syncs = Vec::new();
    for _ in 0..runs {
        // One after the other, so that whatever else the machine does hits all.
        durable.push(once(Target::Durable, Duration::ZERO)?);
        syncs.push(sync_ms(place()?.path())?);
        each.push(once(Target::Each, Duration::ZERO)?);
        in_sql.push(once(Target::InSql, Duration::ZERO)?);
        in_sql_wal.push(once(Target::InSqlWal, Duration::ZERO)?);
        memory.push(once(Target::Memory, Duration::ZERO)?);
    }
    let middle =
        |of: &[Figures], figure: fn(&Figures) -> f64| median(of.iter().map(figure).collect());
    let slower = SLOWER_BY_MS.map(|by_ms| {
        let by = Duration::from_secs_f64(by_ms / 1e3);
        let (mut durable, mut each) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            durable.push(once(Target::Durable, by)?.per_s);
            each.push(once(Target::Each, by)?.per_s);
        }
        Ok(json!({
            "by_ms": by_ms,
            "durable_per_s": median(durable),
            "transaction_each_per_s": median(each),
        }))
    });
    Ok(json!({
        "sync_ms": median(syncs),
        "durable_per_s": middle(&durable, |it| it.per_s),
        "durable_p50_ms": middle(&durable, |it| it.p50_ms),
        "requests_each_transaction": middle(&durable, |it| it.each_transaction),
        "durable_cpu_us": middle(&durable, |it| it.cpu_us),
        "memory_per_s": middle(&memory, |it| it.per_s),
        "memory_p50_ms": middle(&memory, |it| it.p50_ms),
        "memory_cpu_us": middle(&memory, |it| it.cpu_us),
        "transaction_each_per_s": middle(&each, |it| it.per_s),
        "transaction_each_p50_ms": middle(&each, |it| it.p50_ms),
        "in_sql_per_s": middle(&in_sql, |it| it.per_s),
        "in_sql_wal_per_s": middle(&in_sql_wal, |it| it.per_s),
        "slower": slower.into_iter().collect::<Result<Vec<_>>>()?,
        "large": large::measure(place, reservations)?,
    }))
}

/// A directory in that one, or on the disk that builds are on; /tmp may be memory.
fn place(directory: Option<&Path>) -> Result<TempDir> {
    let program = std::env::current_exe()?;
    let beside = program.parent().context("no directory")?;
    Ok(tempfile::tempdir_in(directory.unwrap_or(beside))?)
}

fn once(target: Target, place: &TempDir, slower_by: Duration) -> Result<Figures> {
    let data = place.path().join("data");
    let data_of = (target != Target::Memory).then_some(data.as_path());
    let server = Server::start(target, data_of, slower_by)?;
    let is_batched = matches!(target, Target::Durable | Target::Memory);
    let requests = if is_batched { REQUESTS.0 } else { REQUESTS_EACH };
    let round = |clients, requests| load(server.address, Load::Shared, clients, requests);
    round(CLIENTS, requests / 8)?; // warms up
    let before = transactions(target, &data)?;
    let cpu = server.cpu()?;
    let Round { took, times } = round(CLIENTS, requests)?;
    let cpu = server.cpu()?.saturating_sub(cpu);
    let each_transaction = times.len() as f64 / (transactions(target, &data)? - before);
    let mut alone = round(1, REQUESTS.1)?;
    Ok(Figures {
        per_s: times.len() as f64 / took.as_secs_f64(),
        p50_ms: percentile_us(&mut alone.times, 50) / 1e3,
        cpu_us: cpu.as_secs_f64() * 1e6 / times.len() as f64,
        each_transaction,
    })
}

/// How many there were so far.
fn transactions(target: Target, data: &Path) -> Result<f64> {
    if !matches!(target, Target::Durable | Target::Each) {
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
