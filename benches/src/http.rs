//! Reserve over HTTP: our server against a bare handler, in one run, each on
//! one core and their client on another.

mod bare;
mod in_sql;
mod load;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use cycles_engine::durable::DurableStore;
use cycles_engine::{Engine, Seed};
use cycles_protocol::{SystemClock, SystemRandom};
use cycles_server::{EmbeddedServer, ServerConfig};
use cycles_store::{Options, SqliteStore, Step};
use serde::Serialize;
use serde_json::json;

use crate::cores;
use crate::sample::{median, percentile_us};
use in_sql::Ledger;
pub(crate) use load::{Load, Round, run as load};

/// Connections that ask at once, each one request after the other.
const CONNECTIONS: [usize; 4] = [1, 10, 50, 200];
/// Tenants, with a key and a budget each; where budgets are independent, each
/// connection has one of its own.
const TENANTS: usize = 200;
const REQUESTS: usize = 20_000;

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Target {
    /// `cycles serve`
    Cycles,
    /// A handler of axum's that does no more than it must
    Bare,
    /// `cycles serve` on all cores
    Memory,
    /// `cycles serve --data` on all cores
    Durable,
    /// As durable, with a transaction for each request
    Each,
    /// The bare handler, over a database of SQLite's that decides
    InSql,
    /// As that, with SQLite's write-ahead log
    InSqlWal,
}

/// One number of connections.
#[derive(Serialize)]
pub(crate) struct Row {
    budgets: &'static str,
    connections: usize,
    cycles: Figures,
    bare: Figures,
    /// Ours over the bare handler's, the middle of all runs.
    throughput_ratio: f64,
    /// The bare handler's over ours.
    p50_ratio: f64,
    /// The bare handler's over ours: the server's own time on its core, which
    /// says the same when the machine does other things.
    cpu_ratio: f64,
}

/// Medians over all runs.
#[derive(Serialize)]
struct Figures {
    requests_per_s: f64,
    p50_us: f64,
    p99_us: f64,
    cpu_us: f64,
}

pub(crate) fn measure(runs: usize) -> Result<Vec<Row>> {
    cores::bind(1)?;
    let mut rows = Vec::new();
    for (budgets, load) in [("shared", Load::Shared), ("independent", Load::Independent)] {
        for connections in CONNECTIONS {
            rows.push(row(budgets, load, connections, runs)?);
        }
    }
    Ok(rows)
}

fn row(budgets: &'static str, load: Load, connections: usize, runs: usize) -> Result<Row> {
    let (mut cycles, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        // One after the other, so that whatever else the machine does hits both.
        cycles.push(once(Target::Cycles, load, connections)?);
        bare.push(once(Target::Bare, load, connections)?);
    }
    let pairs = || cycles.iter().zip(&bare);
    Ok(Row {
        budgets,
        connections,
        throughput_ratio: median(
            pairs().map(|(ours, bare)| ours.requests_per_s / bare.requests_per_s).collect(),
        ),
        p50_ratio: median(pairs().map(|(ours, bare)| bare.p50_us / ours.p50_us).collect()),
        cpu_ratio: median(pairs().map(|(ours, bare)| bare.cpu_us / ours.cpu_us).collect()),
        cycles: medians(&cycles),
        bare: medians(&bare),
    })
}

fn medians(runs: &[Figures]) -> Figures {
    let of = |figure: fn(&Figures) -> f64| median(runs.iter().map(figure).collect());
    Figures {
        requests_per_s: of(|run| run.requests_per_s),
        p50_us: of(|run| run.p50_us),
        p99_us: of(|run| run.p99_us),
        cpu_us: of(|run| run.cpu_us),
    }
}

fn once(target: Target, load: Load, connections: usize) -> Result<Figures> {
    let server = Server::start(target, None, Duration::ZERO)?;
    let round = |requests| self::load::run(server.address, load, connections, requests);
    round(REQUESTS / 4)?; // warms up
    let before = server.cpu()?;
    let Round { took, mut times } = round(REQUESTS)?;
    let cpu = server.cpu()?.saturating_sub(before);
    Ok(Figures {
        cpu_us: cpu.as_secs_f64() * 1e6 / times.len() as f64,
        requests_per_s: times.len() as f64 / took.as_secs_f64(),
        p50_us: percentile_us(&mut times, 50),
        p99_us: percentile_us(&mut times, 99),
    })
}

/// A server in a process of its own, so that its threads are not ours.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(target: Target, data: Option<&Path>, slower_by: Duration) -> Result<Self> {
        let name = target.to_possible_value().context("has a name")?;
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", name.get_name()])
            .args(data)
            .arg(format!("--slower-by={}", slower_by.as_micros()))
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
        let address = line.trim().parse().with_context(|| format!("no address: {line:?}"))?;
        Ok(Self { child, address })
    }

    /// What its threads have had of their core so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut nanos = 0;
        for thread in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            nanos += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until killed.
pub(crate) fn serve(target: Target, data: Option<&Path>, slower_by: Duration) -> Result<()> {
    if matches!(target, Target::Cycles | Target::Bare) {
        cores::bind(0)?;
    }
    // As many threads as cores.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match target {
            Target::Bare => bare::serve(None).await,
            Target::InSql | Target::InSqlWal => {
                let mode = if target == Target::InSql { "delete" } else { "wal" };
                let data = data.context("a database needs a directory")?;
                std::fs::create_dir_all(data)?;
                bare::serve(Some(Ledger::create(&data.join("plain.db"), mode)?)).await
            }
            Target::Cycles | Target::Memory | Target::Durable | Target::Each => {
                let engine = engine(target, data, slower_by)?;
                let server = EmbeddedServer::start(ServerConfig::over_engine("", &engine)).await?;
                announce(server.base_url().trim_start_matches("http://"));
                std::future::pending().await
            }
        }
    })
}

fn engine(target: Target, data: Option<&Path>, slower_by: Duration) -> Result<Engine> {
    let keys = (0..TENANTS).map(|tenant| {
        json!({"name": secret(tenant), "secret": secret(tenant), "tenant_id": format!("t{tenant}")})
    });
    let budgets = (0..TENANTS).map(|tenant| {
        let scope = format!("tenant:t{tenant}/workspace:prod/agent:bot");
        json!({"scope": scope, "unit": "TOKENS", "allocated": i64::MAX / 2})
    });
    let seed = json!({"keys": keys.collect::<Vec<_>>(), "budgets": budgets.collect::<Vec<_>>()});
    let seed = Seed::from_yaml(&seed.to_string())?;
    let (clock, random) = (Arc::new(SystemClock::new()), Arc::new(SystemRandom));
    if let Some(data) = data {
        let mut options = Options::default();
        if target == Target::Each {
            options.largest_batch = 1;
        }
        if slower_by > Duration::ZERO {
            options.observer = Some(Arc::new(move |step| {
                if step == Step::Writing {
                    std::thread::sleep(slower_by);
                }
            }));
        }
        let store: Arc<dyn DurableStore> = Arc::new(SqliteStore::with(data, options)?);
        return Ok(Engine::open(&store, &seed, clock, random)?.0);
    }
    Ok(Engine::with_seed(&seed, clock, random)?)
}

fn secret(tenant: usize) -> String {
    format!("cyc_test_bench_{tenant}")
}

fn announce(address: &str) {
    println!("{address}");
}
