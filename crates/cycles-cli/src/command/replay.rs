//! `cycles replay`.

mod log;
mod world;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use cycles_engine::Seed;
use cycles_protocol::control::BudgetLedger;
use cycles_protocol::{Action, Amount, Decision};
use serde::Serialize;

use crate::command::budget;
use crate::command::reservation::time;
use crate::failure::Failure;
use crate::money;
use crate::output::{Format, Table};

use world::World;

/// Say what would have been decided about past work under other budgets and
/// policies.
///
/// Each reservation of the log asks again at its time, holds what it held and
/// commits, releases or expires as it did, on a clock that follows the log.
/// Nothing outside this process is asked or changed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLE)]
pub(crate) struct Replay {
    /// What happened: lines of cycles export, or cycles reservation list --json.
    #[arg(value_name = "LOG")]
    log: PathBuf,
    /// Budgets, policies and tenants to decide by: a seed, as of cycles serve --seed.
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// Write JSON, for programs: every decision, and the budgets at the end.
    #[arg(long)]
    json: bool,
}

const EXAMPLE: &str = "\
  cycles export /var/lib/cycles > log.jsonl
  cycles replay log.jsonl --policy tighter.yaml

Direct charges (events) are not part of the log: the ledger keeps none of them.

Exit codes: 0 done, 1 failed, 2 wrong arguments, log or policy.";

/// Denials that a table shows.
const SHOWN: usize = 20;

/// One reservation, decided again.
#[derive(Debug, Serialize)]
struct Outcome {
    at_ms: i64,
    /// The reservation of the log.
    reservation_id: String,
    tenant_id: String,
    action: Action,
    amount: Amount,
    decision: Decision,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// All that came out.
#[derive(Debug, Serialize)]
struct Report {
    decisions: Vec<Outcome>,
    /// As they stand at the last moment of the log.
    budgets: Vec<BudgetLedger>,
}

impl Replay {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let text = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|error| {
                Failure::Usage(format!("cannot be read file={}: {error}", path.display()))
            })
        };
        let named = |path: &PathBuf, error: &dyn std::fmt::Display| {
            Failure::Usage(format!("{}: {error}", path.display()))
        };
        let seed =
            Seed::from_yaml(&text(&self.policy)?).map_err(|error| named(&self.policy, &error))?;
        let work = log::read(&text(&self.log)?).map_err(|error| named(&self.log, &error))?;
        let world = World::new(seed, &work).map_err(|error| named(&self.policy, &error))?;
        let report = world.replay(work).await?;
        let format = if self.json { Format::Json } else { Format::Text };
        format.write(&report, render)
    }
}

fn render(report: &Report) -> String {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for outcome in &report.decisions {
        let reason = outcome.reason_code.as_deref().unwrap_or_else(|| outcome.decision.as_str());
        *reasons.entry(reason).or_default() += 1;
    }
    let mut counts = Table::new(&["DECISION", ">COUNT"]);
    for (reason, count) in reasons {
        counts.row([reason.to_owned(), count.to_string()]);
    }
    let denied = |outcome: &&Outcome| outcome.decision == Decision::Deny;
    let denials = report.decisions.iter().filter(denied).count();
    let mut table = Table::new(&["WHEN", "RESERVATION", "REASON", "ACTION", ">AMOUNT"]);
    for outcome in report.decisions.iter().filter(denied).take(SHOWN) {
        table.row([
            time(outcome.at_ms),
            outcome.reservation_id.clone(),
            outcome.reason_code.clone().unwrap_or_default(),
            format!("{} {}", outcome.action.kind, outcome.action.name),
            money::shown(outcome.amount.amount, outcome.amount.unit),
        ]);
    }
    let more = denials.saturating_sub(SHOWN);
    let more = if more > 0 { format!("and {more} more\n") } else { String::new() };
    format!(
        "{}\nWould be denied:\n\n{}{more}\nBudgets at the end:\n\n{}",
        counts.render(),
        table.render(),
        budget::table(&report.budgets)
    )
}
