//! The product's promise: one dollar, six languages at once, one hundred calls
//! of one cent, whatever the interleaving.

mod agent;
pub(crate) mod ledger;
pub(crate) mod server;

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use self::agent::{Agent, Told};
use self::ledger::{Booked, Budget, Ledger};
use self::server::Server;
use crate::build;
use crate::language::Language;
use crate::repo::Repo;
use crate::run::seconds;

const SEED: &str = "examples/runaway_agent/seed.yaml";
const TENANT: &str = "acme";
/// One cent, in `USD_MICROCENTS`.
const CENT: i64 = 1_000_000;
/// The budget of [`SEED`] in cents.
const CALLS: i64 = 100;
/// An agent that has not been stopped by then never will be.
const DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);

/// Builds, runs the agents against one server and checks what they say against
/// its ledger. Answers whether there were exactly one hundred calls.
pub(crate) fn run(repo: &Repo) -> Result<bool> {
    let languages = Language::present(&[])?;
    build::workspace(repo)?;
    let mut commands = Vec::new();
    for &language in &languages {
        build::package(repo, language)?;
        commands.push((language, agent::command(repo, language)?));
    }

    let names: Vec<&str> = languages.iter().map(|language| language.name()).collect();
    println!("\n== demo: $1.00, and an agent that never stops by itself in {}", names.join(", "));
    let server = Server::start(repo, SEED)?;
    let ledger = Ledger::new(&server.base_url, &server.api_key, TENANT);
    let start = Instant::now();
    let mut agents = Vec::new();
    for (language, command) in commands {
        agents.push(Agent::start(language, command, &server)?);
    }
    watch(&mut agents, &ledger, start)?;
    let took = start.elapsed();

    let mut rows = Vec::new();
    for agent in agents {
        let language = agent.language;
        let told = agent.told().with_context(|| format!("the {language} agent"))?;
        rows.push((language, told, ledger.booked(language.name())?));
    }
    let budget = ledger.budget()?;
    server.stop()?;
    print(&rows, &budget, took);
    verify(&rows, &budget)
}

/// Shows how far the agents are, until all have ended.
fn watch(agents: &mut [Agent], ledger: &Ledger, start: Instant) -> Result<()> {
    let mut line = Progress::default();
    loop {
        let mut running = false;
        for agent in agents.iter_mut() {
            running |= !agent.has_ended()?;
        }
        let spent = ledger.budget()?.spent;
        let mut text = format!("{:3} calls, {} of $1.00 spent |", spent / CENT, dollars(spent));
        for agent in agents.iter() {
            let calls = ledger.booked(agent.language.name())?.calls;
            write!(text, " {} {calls}", agent.language)?;
        }
        line.show(&text, !running);
        if !running {
            return Ok(());
        }
        ensure!(
            start.elapsed() < DEADLINE,
            "agents were still running after {} and have been stopped",
            seconds(DEADLINE)
        );
        std::thread::sleep(POLL);
    }
}

/// One line that is redrawn on a terminal, and printed now and then elsewhere.
#[derive(Default)]
struct Progress {
    shown: Option<Instant>,
}

impl Progress {
    fn show(&mut self, text: &str, last: bool) {
        if std::io::stdout().is_terminal() {
            print!("\r\x1b[K{text}{}", if last { "\n" } else { "" });
            let _ = std::io::stdout().flush();
        } else if last || self.shown.is_none_or(|at| at.elapsed() >= Duration::from_secs(1)) {
            println!("{text}");
            self.shown = Some(Instant::now());
        }
    }
}

type Row = (Language, Told, Booked);

fn print(rows: &[Row], budget: &Budget, took: Duration) {
    println!("\nlanguage   calls  denials    spend");
    for (language, told, _) in rows {
        println!("{language:8}  {:6}  {:7}  {:>7}", told.calls, told.denials, dollars(told.spent));
    }
    println!(
        "\nledger: allocated {}, spent {}, reserved {}, remaining {}",
        dollars(budget.allocated),
        dollars(budget.spent),
        dollars(budget.reserved),
        dollars(budget.remaining)
    );
    println!("took {}", seconds(took));
    println!("total calls: {}", rows.iter().map(|(_, told, _)| told.calls).sum::<i64>());
}

/// Whether agents and ledger agree, and on exactly one hundred calls.
fn verify(rows: &[Row], budget: &Budget) -> Result<bool> {
    for (language, told, booked) in rows {
        ensure!(
            told.calls == booked.calls && told.spent == booked.spent,
            "{language} says {} calls and {}, the ledger {} and {}",
            told.calls,
            dollars(told.spent),
            booked.calls,
            dollars(booked.spent)
        );
        ensure!(told.calls > 0, "{language} did not get a single call through");
        ensure!(told.denials > 0, "{language} was never denied");
    }
    let calls: i64 = rows.iter().map(|(_, told, _)| told.calls).sum();
    ensure!(calls == CALLS, "there were {calls} calls; the budget allows exactly {CALLS}");
    ensure!(
        budget.spent == CALLS * CENT && budget.reserved == 0 && budget.remaining == 0,
        "the ledger's final state is wrong"
    );
    Ok(true)
}

/// Microcents as dollars, with as many digits as it takes and no fewer than two.
fn dollars(microcents: i64) -> String {
    const DOLLAR: u64 = 100_000_000;
    let sign = if microcents < 0 { "-" } else { "" };
    let amount = microcents.unsigned_abs();
    let fraction = format!("{:08}", amount % DOLLAR);
    let digits = fraction.trim_end_matches('0').len().max(2);
    format!("{sign}${}.{}", amount / DOLLAR, &fraction[..digits])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microcents_are_shown_as_dollars() {
        assert_eq!(dollars(100_000_000), "$1.00");
        assert_eq!(dollars(0), "$0.00");
        assert_eq!(dollars(CENT), "$0.01");
        assert_eq!(dollars(1), "$0.00000001");
        assert_eq!(dollars(-250_000_000), "-$2.50");
    }

    fn row(language: Language, calls: i64, booked: i64) -> Row {
        (
            language,
            Told { calls, denials: 1, spent: calls * CENT },
            Booked { calls: booked, spent: booked * CENT },
        )
    }

    fn spent_up() -> Budget {
        Budget { allocated: CALLS * CENT, spent: CALLS * CENT, reserved: 0, remaining: 0 }
    }

    #[test]
    fn only_one_hundred_calls_that_the_ledger_confirms_will_do() {
        let rows = [row(Language::Rust, 60, 60), row(Language::Node, 40, 40)];
        assert!(verify(&rows, &spent_up()).unwrap());
        assert!(verify(&[row(Language::Rust, 101, 101)], &spent_up()).is_err());
        assert!(verify(&[row(Language::Rust, 100, 99)], &spent_up()).is_err());
        let idle = [row(Language::Rust, 100, 100), row(Language::Node, 0, 0)];
        assert!(verify(&idle, &spent_up()).is_err());
        assert!(verify(&rows, &Budget { reserved: CENT, ..spent_up() }).is_err());
    }
}
