//! `cargo xtask test oversubscription`: many clients in all languages, one
//! budget, and not a unit too much.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::build;
use crate::count::Count;
use crate::demo::ledger::{Budget, Ledger};
use crate::demo::server::Server;
use crate::language::Language;
use crate::repo::Repo;

const FOLDER: &str = "examples/oversubscription";
const TENANT: &str = "acme";
/// All together, whichever languages there are.
const CLIENTS: usize = 64;

/// What the clients of one language were told.
struct Told {
    charged: i64,
    open: i64,
    refused: i64,
}

/// Runs the clients once, as a test of its own.
pub(crate) fn count(repo: &Repo) -> Result<(Count, bool)> {
    let languages = Language::present(&[])?;
    let mut commands = Vec::new();
    for &language in &languages {
        build::package(repo, language)?;
        commands.push((language, command(repo, language)?));
    }
    let server = Server::start(repo, &format!("{FOLDER}/seed.yaml"))?;
    let ledger = Ledger::new(&server.base_url, &server.api_key, TENANT);
    let shares = shares(languages.len());
    let mut running = Vec::new();
    for ((language, command), clients) in commands.into_iter().zip(shares) {
        running.push((language, clients, Program::start(command, clients, &server)?));
    }
    for (_, _, program) in &mut running {
        program.begin()?;
    }
    while running.iter_mut().any(|(_, _, program)| program.is_running()) {
        never_beyond(&ledger.budget()?)?;
    }
    let mut told = Vec::new();
    for (language, clients, program) in running {
        let said = program.told().with_context(|| format!("the {language} clients"))?;
        println!(
            "{language:8}  {clients} clients, charged {}, left open {}",
            said.charged, said.open
        );
        ensure!(usize::try_from(said.refused)? == clients, "not every client was refused");
        ensure!(said.charged > 0, "the {language} clients came too late for the budget");
        told.push(said);
    }
    let budget = ledger.budget()?;
    server.stop()?;
    verify(&told, &budget)?;
    Ok((Count { passed: 1, ..Count::default() }, true))
}

/// As even as it goes.
fn shares(languages: usize) -> Vec<usize> {
    (0..languages).map(|index| (CLIENTS + index) / languages).collect()
}

fn command(repo: &Repo, language: Language) -> Result<Command> {
    // The example's name, where cargo builds it.
    let file = if language == Language::Rust { "oversubscription" } else { "clients" };
    build::program(repo, "oversubscription", file, language)
}

/// The clients of one language; stopped when dropped.
struct Program {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl Program {
    /// Starts it and waits until it is ready to begin.
    fn start(mut command: Command, clients: usize, server: &Server) -> Result<Self> {
        let mut child = command
            .env("CLIENTS", clients.to_string())
            .env("CYCLES_BASE_URL", &server.base_url)
            .env("CYCLES_API_KEY", &server.api_key)
            .env("CYCLES_TENANT", TENANT)
            .env("CYCLES_JOURNAL_ENABLED", "false")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the clients")?;
        let said = BufReader::new(child.stdout.take().context("no stdout")?);
        let mut program = Self { child, said };
        let mut line = String::new();
        program.said.read_line(&mut line)?;
        ensure!(line.trim() == "ready", "not ready but {line:?}");
        Ok(program)
    }

    fn begin(&mut self) -> Result<()> {
        let stdin = self.child.stdin.as_mut().context("no stdin")?;
        stdin.write_all(b"begin\n").context("it did not wait")
    }

    fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What its last line says.
    fn told(mut self) -> Result<Told> {
        let mut text = String::new();
        self.said.read_to_string(&mut text)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "ended with {status}");
        let last = text.lines().last().context("said nothing")?;
        let line: Value =
            serde_json::from_str(last).with_context(|| format!("not JSON: {last:?}"))?;
        let number = |name: &str| {
            line[name].as_i64().with_context(|| format!("does not say {name}: {last}"))
        };
        Ok(Told { charged: number("charged")?, open: number("open")?, refused: number("refused")? })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn never_beyond(budget: &Budget) -> Result<()> {
    let Budget { allocated, spent, reserved, remaining } = budget;
    ensure!(
        *remaining >= 0 && spent + reserved + remaining == *allocated,
        "the ledger says allocated {allocated}, spent {spent}, reserved {reserved}, remaining {remaining}"
    );
    Ok(())
}

/// Whether what the clients were told is what the ledger says, to the unit.
fn verify(told: &[Told], budget: &Budget) -> Result<()> {
    never_beyond(budget)?;
    let charged: i64 = told.iter().map(|told| told.charged).sum();
    let open: i64 = told.iter().map(|told| told.open).sum();
    ensure!(
        (charged, open) == (budget.spent, budget.reserved),
        "clients were charged {charged} and left {open} open; the ledger says spent {} and reserved {}",
        budget.spent,
        budget.reserved
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixty_four_clients_whatever_the_languages() {
        for languages in 1..=4 {
            assert_eq!(shares(languages).iter().sum::<usize>(), CLIENTS);
        }
    }

    #[test]
    fn a_unit_too_much_or_too_little_is_noticed() {
        let told = || [Told { charged: 60, open: 30, refused: 1 }];
        let budget = |spent, reserved| Budget {
            allocated: 100,
            spent,
            reserved,
            remaining: 100 - spent - reserved,
        };
        assert!(verify(&told(), &budget(60, 30)).is_ok());
        assert!(verify(&told(), &budget(61, 30)).is_err());
        assert!(verify(&told(), &budget(60, 29)).is_err());
        assert!(verify(&told(), &Budget { remaining: 11, ..budget(60, 30) }).is_err());
        let beyond = [Told { charged: 80, open: 30, refused: 1 }];
        assert!(verify(&beyond, &budget(80, 30)).is_err());
    }
}
