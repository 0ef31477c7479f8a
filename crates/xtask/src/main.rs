//! `cargo xtask …`: the only developer command of this repository.
#![expect(clippy::print_stdout, reason = "a command-line program talks on stdout")]
#![expect(clippy::disallowed_methods, reason = "times and waits for real child processes")]

mod bench;
mod build;
mod contract;
mod count;
mod crash;
mod demo;
mod fmt;
mod fuzz;
mod language;
mod lint;
mod oversubscription;
mod readme;
mod recovery;
mod repo;
mod report;
mod run;
mod scenarios;
mod simulate;
mod size;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::language::Language;
use crate::repo::Repo;
use crate::report::Report;
use crate::test::Suite;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The developer commands of Cycles")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// One dollar, five languages, exactly one hundred calls
    Demo,
    /// Run all tests, or those of the named suites
    Test { suites: Vec<Suite> },
    /// Check formatting, lints, types and the rules of the repository
    Lint,
    /// Format everything
    Fmt,
    /// Build everything that tests and demo need, or only the named languages
    Build { languages: Vec<Language> },
    /// List the scenarios that every language runs
    Scenarios,
    /// Measure the authority, and a guarded call in each language
    Bench {
        subjects: Vec<bench::Subject>,
        /// Runs to take the median of
        #[arg(long, default_value_t = 5)]
        runs: u32,
        /// Guarded calls in each run
        #[arg(long, default_value_t = 1000)]
        calls: u32,
        /// Where `store` makes its ledgers, so that another disk is measured
        #[arg(long)]
        directory: Option<std::path::PathBuf>,
    },
    /// Replay a seed of the simulation that checks the engine against an oracle
    Simulate {
        /// Everything derives from it
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Commands to run
        #[arg(long, default_value_t = simulate::CI_STEPS)]
        steps: u64,
    },
    /// Kill a server under load, and compare its ledger with what clients were told
    Crash {
        /// How often
        #[arg(long, default_value_t = 20)]
        kills: u32,
        /// What chance follows
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// What nobody waits for: a server that is killed 500 times, 20 million commands of the
    /// simulation, and 200 ends of each Python program with an event loop
    Soak,
    /// Feed parsers, cursors and the engine with what libFuzzer thinks of
    Fuzz {
        /// One of the targets in `fuzz/`; all in turn unless named
        target: Option<String>,
        /// How long for each target
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Show the twelve scenarios of the SDK recovery profile; or kill processes of other languages
    Recovery {
        /// Runs the tests that kill a process, with one of this language
        #[arg(long, conflicts_with = "report")]
        language: Vec<Language>,
        /// Where to write the report
        #[arg(long)]
        report: Option<std::path::PathBuf>,
    },
    /// Sizes of what is built
    Size,
    /// Lint, test and demo, as .ci/run does
    Ci,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well.
fn run(command: Command) -> anyhow::Result<bool> {
    let repo = Repo::find()?;
    match command {
        Command::Demo => demo::run(&repo),
        Command::Test { suites } => Ok(test::run(&repo, &suites)?.conclude()),
        Command::Lint => Ok(lint::run(&repo).conclude()),
        Command::Fmt => fmt::run(&repo),
        Command::Build { languages } => build::run(&repo, &languages),
        Command::Scenarios => scenarios::list(&repo),
        Command::Bench { subjects, runs, calls, directory } => {
            bench::run(&repo, &subjects, runs, calls, directory.as_deref())
        }
        Command::Simulate { seed, steps } => simulate::run(&repo, seed, steps),
        Command::Crash { kills, seed } => crash::run(&repo, kills, seed),
        Command::Soak => {
            let survived = crash::run(&repo, crash::SOAK_KILLS, 0)?;
            let simulated = simulate::run(&repo, 0, simulate::SOAK_STEPS)?;
            let kept = simulate::soak_kept(&repo);
            let ended = test::examples::run(&repo, test::examples::IN_SOAK)?;
            Ok(survived && simulated && kept && ended)
        }
        Command::Fuzz { target, seconds } => fuzz::run(&repo, target.as_deref(), seconds),
        Command::Recovery { language, .. } if !language.is_empty() => {
            recovery::killed::run(&repo, &language)
        }
        Command::Recovery { report, .. } => recovery::run(&repo, report.as_deref()),
        Command::Size => size::run(&repo),
        Command::Ci => ci(&repo),
    }
}

fn ci(repo: &Repo) -> anyhow::Result<bool> {
    let mut report = Report::default();
    report.append(lint::run(repo));
    report.append(test::run(repo, &[])?);
    report.check("demo", || demo::run(repo));
    Ok(report.conclude())
}
