//! What the demo says before and after.

use cycles_protocol::control::BudgetLedger;

use crate::START_HERE;
use crate::money;

use super::agent::Ended;
use super::{RESEARCHER, Report, TENANT, WRITER};

/// Who is about to spend what.
pub(super) fn opening() -> String {
    format!(
        "\
A tenant has a budget, and each of its two agents has one below it.

  {:<12} {} workers improve a draft until a critic is content; it never is.
  {:<12} asks ten questions and is done.

Each call reserves before it runs and commits what it cost; no model is asked.

",
        WRITER.name, WRITER.workers, RESEARCHER.name
    )
}

/// What happened, and what to do next.
pub(super) fn text(report: &Report) -> String {
    format!("\n{}\n{}", happened(report), next())
}

fn happened(report: &Report) -> String {
    let agents: String = report.agents.iter().map(ended).collect();
    ["What happened\n\n", &agents, "\n", &pace(report), &rest(&report.budgets)].concat()
}

fn ended(agent: &Ended) -> String {
    let spent = money::shown(agent.spent.amount, agent.spent.unit);
    let head = format!("  {:<12} {} calls ran, {spent} spent.", agent.agent, agent.calls);
    match &agent.denied_because {
        Some(why) => format!(
            "{head} Its {} workers raced for the last cent, and the next\n{INDENT}calls were refused before a model was asked, {} times:\n{INDENT}{why}\n",
            agent.workers, agent.denials
        ),
        None => format!("{head} What its holds had too much came back.\n"),
    }
}

const INDENT: &str = "               ";

/// What the writer would have gone on to cost.
fn pace(report: &Report) -> String {
    let Some(writer) = report.agents.iter().find(|agent| agent.denials > 0) else {
        return String::new();
    };
    let per_hour = per_hour(writer, report.elapsed_ms);
    format!("Without its budget the {} would go on, for {per_hour} an hour.\n", writer.agent)
}

/// Whole dollars: more would pretend to be exact.
fn per_hour(agent: &Ended, elapsed_ms: u64) -> String {
    let spent = i128::from(agent.spent.amount) * 3_600_000 / i128::from(elapsed_ms.max(1));
    let dollars = spent / i128::from(cycles_protocol::amount::MICROCENTS_PER_USD);
    format!("${dollars}")
}

fn rest(budgets: &[BudgetLedger]) -> String {
    let Some(tenant) = budgets.first() else { return String::new() };
    let left = money::shown(tenant.remaining.amount, tenant.unit);
    format!("{left} of tenant {TENANT} is left for its other agents.\n")
}

/// What a call of one's own looks like: whole programs, which CI runs.
const FIRST_CALLS: [(&str, &str); 2] = [
    ("Python", include_str!("../../../../../examples/first_call/python/first_call.py")),
    ("Node", include_str!("../../../../../examples/first_call/node/first_call.mjs")),
];

fn next() -> String {
    let indented = |program: &str| -> String {
        let lines = program.lines().filter(|line| !line.is_empty());
        lines.flat_map(|line| ["    ", line, "\n"]).collect()
    };
    let call = |(language, program): &(&str, &str)| {
        ["\n  ", language, "\n\n", &indented(program)].concat()
    };
    let calls: String = FIRST_CALLS.iter().map(call).collect();
    [
        "What to do next\n\nGuard a call of your own:\n",
        &calls,
        "\nRun it under a budget, with no server:\n\n  cycles run --budget 5 -- python first_call.py\n",
        "\nOr share a server with your team:\n\n",
        START_HERE,
    ]
    .concat()
}
