//! `cycles demo`.

mod agent;
mod board;
mod ending;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cycles_engine::{Engine, Seed};
use cycles_protocol::control::{BudgetLedger, BudgetRef};
use cycles_protocol::{Amount, Clock, Control, SystemClock, SystemRandom, Unit};
use runcycles::CyclesClient;
use serde::Serialize;
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::output::{self, Format};

use agent::{Agent, Ended, Seen};
use board::Board;

/// Watch a budget stop an agent that would never stop by itself.
///
/// A budget authority runs in this process, with a tenant and a budget for each
/// of two agents. One of them loops for ever; both only pretend to ask a model.
/// Nothing is installed, written or sent anywhere, and no money is spent.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Demo {
    /// How long a pretended model call takes, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 150, value_parser = clap::value_parser!(u64).range(..=10_000))]
    call_ms: u64,
    /// Write JSON, for programs: one document at the end.
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
  cycles demo
  cycles demo --call-ms 0 --json

Exit codes: 0 done, 1 failed, 2 wrong arguments.";

const SEED: &str = include_str!("demo/seed.yaml");
const KEY: &str = "cyc_demo_acme";
const TENANT: &str = "acme";

/// It improves its draft until a critic is content, who never is.
const WRITER: Agent = Agent {
    name: "writer",
    workers: 4,
    calls: None,
    estimate: Amount::usd_microcents(1_000_000),
    actual: Amount::usd_microcents(1_000_000),
};

/// It asks ten questions, and each turns out cheaper than it feared.
const RESEARCHER: Agent = Agent {
    name: "researcher",
    workers: 1,
    calls: Some(10),
    estimate: Amount::usd_microcents(5_000_000),
    actual: Amount::usd_microcents(2_000_000),
};

/// How it went.
#[derive(Debug, Serialize)]
struct Report {
    /// How long the agents worked.
    elapsed_ms: u64,
    agents: Vec<Ended>,
    /// As they stand at the end: the tenant's, the writer's and the researcher's.
    budgets: Vec<BudgetLedger>,
}

impl Demo {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.play())
    }

    async fn play(self) -> Result<(), Failure> {
        let format = if self.json { Format::Json } else { Format::Text };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let engine = Seed::from_yaml(SEED)
            .and_then(|seed| Engine::with_seed(&seed, Arc::clone(&clock), Arc::new(SystemRandom)))
            .map_err(|error| Failure::Runtime(error.to_string()))?;
        // The books are gone at exit, so nothing is left to settle later.
        let client = CyclesClient::builder("", "")
            .tenant(TENANT)
            .authority(Arc::new(engine.local(KEY)))
            .journal_enabled(false)
            .build();

        let live = format == Format::Text;
        if live {
            output::write(&ending::opening())?;
        }
        let started = clock.monotonic();
        let pause = Duration::from_millis(self.call_ms);
        let (seen, events) = mpsc::unbounded_channel();
        let at_work = [WRITER, RESEARCHER].map(|agent| agent.start(&client, &clock, pause, &seen));
        drop(seen);
        watch(&engine, events, live).await?;
        let mut agents = Vec::new();
        for (agent, workers) in [WRITER, RESEARCHER].into_iter().zip(at_work) {
            agents.push(agent.ended(workers).await?);
        }
        let elapsed = clock.monotonic().saturating_sub(started);
        let report = Report {
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            agents,
            budgets: budgets(&engine)?,
        };
        format.write(&report, ending::text)
    }
}

/// Shows every call as it ends, until no agent works any more.
async fn watch(
    engine: &Engine,
    mut events: mpsc::UnboundedReceiver<Seen>,
    live: bool,
) -> Result<(), Failure> {
    let mut board = Board::new(std::io::stdout().is_terminal());
    while let Some(seen) = events.recv().await {
        if live {
            output::write(&board.after(&seen, &budgets(engine)?))?;
        }
    }
    Ok(())
}

/// The three budgets, the tenant's first.
fn budgets(engine: &Engine) -> Result<Vec<BudgetLedger>, Failure> {
    let scopes = [
        format!("tenant:{TENANT}"),
        format!("tenant:{TENANT}/agent:{}", WRITER.name),
        format!("tenant:{TENANT}/agent:{}", RESEARCHER.name),
    ];
    let budget = |scope| engine.get_budget(&BudgetRef { scope, unit: Unit::UsdMicrocents });
    let found: Result<_, _> = scopes.into_iter().map(budget).collect();
    found.map_err(|error| Failure::Runtime(error.message().to_owned()))
}
