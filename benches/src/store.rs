//! The durable store over HTTP: against the memory store, against itself with a
//! transaction for each request, and against one sync of the same disk.

mod large;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Load, Round, Server, Target, load};
use crate::sample::{median, percentile_us};

const CLIENTS: usize = 64;
/// Requests of a round with all clients, and with one.
const REQUESTS: (usize, usize) = (16_000, 300);
const SYNCS: usize = 100;

/// One server's figures.
struct Figures {
    per_s: f64,
    p50_ms: f64,
    /// Of all the server's threads, with all clients.
    cpu_us: f64,
    each_transaction: f64,
}

pub(crate) fn measure(runs: usize, reservations: usize) -> Result<Value> {
    let (mut durable, mut memory, mut each) = (Vec::new(), Vec::new(), Vec::new());
    let mut syncs = Vec::new();
    for _ in 0..runs {
        // One after the other, so that whatever else the machine does hits all.
        durable.push(once(Target::Durable)?);
        syncs.push(sync_ms(place()?.path())?);
        each.push(once(Target::Each)?);
        memory.push(once(Target::Memory)?);
    }
    let middle =
        |of: &[Figures], figure: fn(&Figures) -> f64| median(of.iter().map(figure).collect());
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
    let server = Server::start(target, (target != Target::Memory).then_some(&data))?;
    let round = |clients, requests| load(server.address, Load::Shared, clients, requests);
    round(CLIENTS, REQUESTS.0 / 8)?; // warms up
    let before = transactions(target, &data)?;
    let cpu = server.cpu()?;
    let Round { took, times } = round(CLIENTS, REQUESTS.0)?;
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
    if target == Target::Memory {
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
