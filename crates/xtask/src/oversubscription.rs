//! `cargo xtask test oversubscription`: many clients in all languages, one
//! budget, and not a unit too much.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::build::{self, kotlin, python};
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
        running.push((language, clients, start(command, clients, &server)?));
    }
    while running.iter_mut().any(|(_, _, child)| matches!(child.try_wait(), Ok(None))) {
        never_beyond(&ledger.budget()?)?;
    }
    let mut told = Vec::new();
    for (language, clients, child) in running {
        let said = told_by(child).with_context(|| format!("the {language} clients"))?;
        println!(
            "{language:8}  {clients} clients, charged {}, left open {}",
            said.charged, said.open
        );
        ensure!(usize::try_from(said.refused)? == clients, "not every client was refused");
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
    let script = |file: &str| repo.path(format!("{FOLDER}/{file}"));
    Ok(match language {
        Language::Rust => build::example(repo, "oversubscription"),
        Language::Python => {
            let mut command = python::interpreter(repo);
            command.arg(script("python/clients.py"));
            command
        }
        Language::Node => {
            let mut command = Command::new("node");
            command.arg(script("node/clients.mjs"));
            command
        }
        Language::Kotlin => {
            let mut command = Command::new("java");
            command.arg("-jar").arg(kotlin::example(repo, &format!("{FOLDER}/kotlin"))?);
            command
        }
    })
}

fn start(mut command: Command, clients: usize, server: &Server) -> Result<Child> {
    command
        .env("CLIENTS", clients.to_string())
        .env("CYCLES_BASE_URL", &server.base_url)
        .env("CYCLES_API_KEY", &server.api_key)
        .env("CYCLES_TENANT", TENANT)
        .env("CYCLES_JOURNAL_ENABLED", "false")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the clients")
}

fn told_by(child: Child) -> Result<Told> {
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "ended with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let last = text.lines().last().context("said nothing")?;
    let line: Value = serde_json::from_str(last).with_context(|| format!("not JSON: {last:?}"))?;
    let number =
        |name: &str| line[name].as_i64().with_context(|| format!("does not say {name}: {last}"));
    Ok(Told { charged: number("charged")?, open: number("open")?, refused: number("refused")? })
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
