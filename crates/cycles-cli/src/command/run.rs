//! `cycles run`.

mod child;

use std::io::IsTerminal;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cycles_engine::{Engine, Seed, SeedBudget, SeedKey};
use cycles_protocol::control::{BudgetLedger, BudgetRef};
use cycles_protocol::{
    Amount, Call, Control, ErrorCode, Operation, Random, SystemClock, SystemRandom, Unit, trace,
};
use cycles_server::{AdminKey, EmbeddedServer, Exchange, Observer, ServerConfig};
use serde::Serialize;
use tokio::sync::watch;

use crate::failure::Failure;
use crate::money::{self, Money};
use crate::signals::Signals;

use child::Child;

/// Run a command under a budget of its own, and stop it at the limit.
///
/// A budget authority runs for as long as the command does, in this process.
/// The command and all it starts find it through the environment; whatever
/// guards its calls with a Cycles SDK or the HTTP API shares the one budget.
#[derive(Debug, Args)]
#[command(
    after_help = EXAMPLE,
    override_usage = "cycles run [OPTIONS] --budget <AMOUNT> -- <COMMAND>..."
)]
pub(crate) struct Run {
    /// How much the command may spend, like 5 (dollars) or "50000 tokens".
    #[arg(long, value_name = "AMOUNT")]
    budget: Money,

    /// The tenant whose budget it is.
    #[arg(long, default_value = "run", value_parser = parse_tenant)]
    tenant: String,

    /// What happens when more is asked for than is left, or nothing is.
    #[arg(long, value_enum, default_value_t = AtLimit::Stop)]
    at_limit: AtLimit,

    /// How long the command may take to end once it was told to.
    #[arg(long, value_name = "MS", default_value_t = 5_000)]
    grace_ms: u64,

    /// Write a line of JSON with what was spent to this file at the end.
    #[arg(long, value_name = "FILE")]
    report: Option<std::path::PathBuf>,

    /// The command and its arguments, after --.
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    command: Vec<std::ffi::OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum AtLimit {
    /// The command and all it started get SIGTERM, and SIGKILL after the grace.
    Stop,
    /// Only the request is denied; the command goes on.
    Deny,
}

const EXAMPLE: &str = "\
The environment of the command has CYCLES_BASE_URL, CYCLES_API_KEY and
CYCLES_TENANT. Variables that would name another authority are replaced.

  cycles run --budget 5 -- python agent.py
  cycles run --budget '200000 tokens' --at-limit deny -- node swarm.mjs
  cycles run --budget 0.50 --report spent.json -- ./nightly.sh

The command gets no terminal to read from; a pipe or a file is handed on.

Exit codes: the command's own; 124 when it was stopped at the limit, 128 + n when
signal n ended it, 126 when it cannot be run, 127 when it is not found, 1 when the
authority cannot start, 2 for wrong arguments.";

/// As `timeout` answers when it stopped a command.
const STOPPED: u8 = 124;

/// What the command spent, for programs.
#[derive(Debug, Serialize)]
struct Report {
    unit: Unit,
    allocated: i64,
    spent: i64,
    remaining: i64,
    /// Held by work that neither committed nor released.
    reserved: i64,
    debt: i64,
    /// Requests that were denied because too little was left.
    denials: u64,
    stopped: bool,
}

/// Counts denials, and says when the limit is reached.
#[derive(Debug)]
struct Limit {
    denials: watch::Sender<u64>,
    used_up: watch::Sender<bool>,
}

impl Observer for Limit {
    fn saw(&self, _: &Call, exchange: &Exchange<'_>) {
        let takes = matches!(
            exchange.operation,
            Operation::CreateReservation | Operation::CreateEvent | Operation::Commit
        ) && !exchange.is_dry_run;
        if !takes {
            return;
        }
        if exchange.error.is_some_and(|error| error.code() == ErrorCode::BudgetExceeded) {
            self.denials.send_modify(|denials| *denials += 1);
        }
        // What is held may come back; what is charged does not.
        let is_spent = |balance: &cycles_protocol::Balance| {
            let reserved = balance.reserved.map_or(0, |reserved| reserved.amount);
            balance.remaining.amount <= 0 && reserved == 0
        };
        if exchange.balances.iter().any(is_spent) {
            self.used_up.send_replace(true);
        }
    }
}

impl Run {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.supervise())
    }

    async fn supervise(self) -> Result<(), Failure> {
        let mut signals = Signals::listen()?;
        let secret = secret(&SystemRandom);
        let engine = self.engine(&secret)?;
        let limit =
            Arc::new(Limit { denials: watch::Sender::new(0), used_up: watch::Sender::new(false) });
        let config = ServerConfig::over_engine(AdminKey::none(), &engine)
            .decisions()
            .observer(Arc::<Limit>::clone(&limit));
        let server = EmbeddedServer::start(config)
            .await
            .map_err(|error| Failure::Runtime(format!("the authority cannot start: {error}")))?;

        let mut child = self.start(&server, &secret)?;
        let mut denials = limit.denials.subscribe();
        let mut used_up = limit.used_up.subscribe();
        let reached = async {
            // The senders live as long as this function.
            tokio::select! {
                _ = denials.wait_for(|denials| *denials > 0) => "more was asked for than is left",
                _ = used_up.wait_for(|used_up| *used_up) => "nothing is left",
            }
        };
        let stops = self.at_limit == AtLimit::Stop;
        let mut reached = std::pin::pin!(reached);
        let (ended, stopped) = loop {
            tokio::select! {
                ended = child.wait() => break (ended?, false),
                why = &mut reached, if stops => {
                    let total = money::shown(self.budget.0.amount, self.budget.0.unit);
                    crate::output::note(&format!("cycles: budget of {total} reached, {why}; stopping the command"));
                    break (child.stop(Duration::from_millis(self.grace_ms), &SystemClock::new()).await?, true);
                }
                signal = signals.next() => child.forward(signal),
            }
        };
        self.conclude(&engine, &limit, stopped)?;
        server.shutdown().await;
        match ended {
            _ if stopped => Err(Failure::Code(STOPPED)),
            0 => Ok(()),
            code => Err(Failure::Code(code)),
        }
    }

    fn engine(&self, secret: &str) -> Result<Engine, Failure> {
        let Amount { unit, amount, .. } = self.budget.0;
        let seed = Seed {
            keys: vec![SeedKey {
                name: "run".to_owned(),
                secret: secret.to_owned(),
                tenant_id: self.tenant.clone(),
                permissions: None,
                scope_filter: None,
            }],
            budgets: vec![SeedBudget::new(format!("tenant:{}", self.tenant), unit, amount)],
            ..Seed::default()
        };
        Engine::with_seed(&seed, Arc::new(SystemClock::new()), Arc::new(SystemRandom))
            .map_err(|error| Failure::Usage(error.to_string()))
    }

    fn start(&self, server: &EmbeddedServer, secret: &str) -> Result<Child, Failure> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(Failure::Usage("no command was given".to_owned()));
        };
        let mut command = tokio::process::Command::new(program);
        // In a process group of its own it would be halted when it reads the terminal.
        let is_terminal = std::io::stdin().is_terminal();
        let stdin = if is_terminal { Stdio::null() } else { Stdio::inherit() };
        command.args(arguments).stdin(stdin);
        // Who ran this may have its own authority; the command must not spend there.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CYCLES_")) {
                command.env_remove(name);
            }
        }
        command
            .env("CYCLES_BASE_URL", server.base_url())
            .env("CYCLES_API_KEY", secret)
            .env("CYCLES_TENANT", &self.tenant);
        Child::start(command, program)
    }

    fn conclude(&self, engine: &Engine, limit: &Limit, stopped: bool) -> Result<(), Failure> {
        let unit = self.budget.0.unit;
        let scope = BudgetRef { scope: format!("tenant:{}", self.tenant), unit };
        let budget: BudgetLedger = engine
            .get_budget(&scope)
            .map_err(|error| Failure::Runtime(error.message().to_owned()))?;
        let report = Report {
            unit,
            allocated: budget.allocated.amount,
            spent: budget.spent.amount,
            remaining: budget.remaining.amount,
            reserved: budget.reserved.amount,
            debt: budget.debt.amount,
            denials: *limit.denials.borrow(),
            stopped,
        };
        crate::output::note(&format!(
            "cycles: spent {} of {}, {} denied",
            money::shown(report.spent, unit),
            money::shown(report.allocated, unit),
            report.denials
        ));
        let Some(path) = &self.report else { return Ok(()) };
        let json = serde_json::to_string(&report).map_err(|e| Failure::Runtime(e.to_string()))?;
        std::fs::write(path, json + "\n").map_err(|error| {
            Failure::Runtime(format!(
                "the report cannot be written file={}: {error}",
                path.display()
            ))
        })
    }
}

fn secret(random: &dyn Random) -> String {
    let mut bytes = [0; 24];
    random.fill(&mut bytes);
    format!("cyc_run_{}", trace::hex(&bytes))
}

fn parse_tenant(text: &str) -> Result<String, String> {
    if cycles_protocol::limits::is_subject_value(text) && text == text.to_ascii_lowercase() {
        return Ok(text.to_owned());
    }
    Err("must be lower-case letters, digits, _ . or -, 128 at most".to_owned())
}
