//! Guarded calls against one server, ours and those of the registry's
//! `runcycles` 0.3, with and without a journal: `cargo xtask bench settlement`.
//!
//! `settlement-bench CYCLES FOLDER [RUNS]` starts the program `cycles`, journals
//! below `FOLDER`, and prints one line of JSON for each way and concurrency.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

type Failure = Box<dyn Error + Send + Sync>;

const SEED: &str = "
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 1000000000000}]";
const KEY: &str = "cyc_test_acme";
const IN_FLIGHT: [usize; 2] = [1, 32];
/// Long enough for some thousand calls of the slowest way.
const WINDOW: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Old { journal: bool },
    Ours(Option<runcycles::JournalSync>),
}

const WAYS: [(&str, Way); 5] = [
    ("0.3 durable", Way::Old { journal: true }),
    ("ours durable, power", Way::Ours(Some(runcycles::JournalSync::Power))),
    ("ours durable, process", Way::Ours(Some(runcycles::JournalSync::Process))),
    ("0.3 without journal", Way::Old { journal: false }),
    ("ours without journal", Way::Ours(None)),
];

#[derive(Clone)]
enum Client {
    Old(runcycles_03::CyclesClient),
    Ours(runcycles::CyclesClient),
}

impl Client {
    fn new(way: Way, base_url: &str, folder: &Path) -> Self {
        match way {
            Way::Old { journal } => Self::Old(
                runcycles_03::CyclesClient::builder(KEY, base_url)
                    .tenant("acme")
                    .journal_enabled(journal)
                    .journal_dir(folder)
                    .build(),
            ),
            Way::Ours(sync) => Self::Ours(
                runcycles::CyclesClient::builder(KEY, base_url)
                    .tenant("acme")
                    .journal_enabled(sync.is_some())
                    .journal_sync(sync.unwrap_or_default())
                    .journal_dir(folder)
                    .build(),
            ),
        }
    }

    async fn guarded(&self) -> Result<(), Failure> {
        match self {
            Self::Old(client) => {
                use runcycles_03::models::{Amount, Subject};
                let subject = Subject { tenant: Some("acme".to_owned()), ..Subject::default() };
                let call = runcycles_03::WithCyclesConfig::new(Amount::tokens(10)).subject(subject);
                let done = |_| async { Ok(((), Amount::tokens(10))) };
                Ok(runcycles_03::with_cycles(client, call, done).await?)
            }
            Self::Ours(client) => {
                use runcycles::models::{Amount, Subject};
                let subject = Subject { tenant: Some("acme".to_owned()), ..Subject::default() };
                let call = runcycles::WithCyclesConfig::new(Amount::tokens(10)).subject(subject);
                let done = |_| async { Ok(((), Amount::tokens(10))) };
                Ok(runcycles::with_cycles(client, call, done).await?)
            }
        }
    }
}

struct Server {
    child: Child,
    base_url: String,
}

impl Server {
    fn start(program: &str, folder: &Path) -> Result<Self, Failure> {
        let seed = folder.join("seed.yaml");
        fs::write(&seed, SEED)?;
        let mut child = Command::new(program)
            .args(["serve", "--store", "memory", "--listen", "127.0.0.1:0", "--seed"])
            .arg(seed)
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let ready: serde_json::Value = serde_json::from_str(&line)?;
        let base_url = ready["base_url"].as_str().ok_or("no base_url")?.to_owned();
        Ok(Self { child, base_url })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [program, folder, runs @ ..] = &arguments[..] else {
        return Err("usage: settlement-bench CYCLES FOLDER [RUNS]".into());
    };
    let runs: usize = runs.first().map_or(Ok(3), |runs| runs.parse())?;
    fs::create_dir_all(folder)?;
    let folder = tempfile::tempdir_in(folder)?;
    let server = Server::start(program, folder.path())?;
    for in_flight in IN_FLIGHT {
        // Runs of all ways alternate, so that a busy machine is busy for all.
        let mut samples = vec![Vec::new(); WAYS.len()];
        for run in 0..=runs {
            for (index, (_, way)) in WAYS.iter().enumerate() {
                let journal = folder.path().join(format!("journal-{index}"));
                let client = Client::new(*way, &server.base_url, &journal);
                let sample = measure(client, in_flight).await?;
                // The first run only warms up.
                if run > 0 {
                    samples[index].push(sample);
                }
            }
        }
        for ((name, _), mut samples) in WAYS.iter().zip(samples) {
            samples.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
            let Sample { per_second, cpu_us } = samples[samples.len() / 2];
            println!(
                "{}",
                serde_json::json!({
                    "way": name, "in_flight": in_flight,
                    "calls_per_second": per_second.round(), "cpu_us_per_call": cpu_us.round(),
                })
            );
        }
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Sample {
    per_second: f64,
    cpu_us: f64,
}

async fn measure(client: Client, in_flight: usize) -> Result<Sample, Failure> {
    client.guarded().await?;
    let calls = Arc::new(AtomicUsize::new(0));
    let (start, cpu) = (Instant::now(), cpu_time()?);
    let workers: Vec<_> = (0..in_flight)
        .map(|_| {
            let (client, calls) = (client.clone(), Arc::clone(&calls));
            tokio::spawn(async move {
                while start.elapsed() < WINDOW {
                    client.guarded().await?;
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    for worker in workers {
        worker.await??;
    }
    let (elapsed, cpu) = (start.elapsed(), cpu_time()?.saturating_sub(cpu));
    let calls = calls.load(Ordering::Relaxed) as f64;
    Ok(Sample {
        per_second: calls / elapsed.as_secs_f64(),
        cpu_us: cpu.as_secs_f64() * 1e6 / calls,
    })
}

/// Of all threads of this process that live; the workers and the journal do.
fn cpu_time() -> Result<Duration, Failure> {
    let mut nanos = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        nanos += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanos))
}
