//! The programs that the README and docs show: run, and compared with what they show.

use std::process::Command;

use anyhow::{Result, bail, ensure};

use super::examples;
use crate::build::{self, kotlin};
use crate::language::Language;
use crate::readme;
use crate::repo::{Repo, in_ci};
use crate::report::{self, Report};
use crate::run::run_and_keep;

/// What every quickstart prints last, whatever its language.
const EXPECTED: &str = "denied before the model was called";
/// Programs in Java, which uses Kotlin's package, and the last line of each.
const IN_JAVA: [(&str, &str); 2] = [
    ("examples/quickstart/java", EXPECTED),
    ("examples/async_calls/java", "50 ran, 50 were denied"),
];
/// What the stream of docs/guarded-calls.md prints last.
const STREAMED: &str = "cut: false, used 34000";
/// What the first call that `cycles demo` shows prints last.
const ANSWERED: &str = "an answer to What is a budget?";

/// Compares and runs, one check each.
pub(crate) fn run(repo: &Repo, report: &mut Report) {
    report.check("docs: README blocks", || {
        let problems = readme::check(repo)?;
        Ok(report::none(&problems))
    });
    for language in Language::ALL {
        let name = format!("docs: quickstart {language}");
        match language.missing() {
            Some(what) => report.skip(&name, what, in_ci()),
            None => report.check(&name, || quickstart(repo, language)),
        }
    }
    for (project, expected) in IN_JAVA {
        let name = format!("docs: {project}");
        match Language::Kotlin.missing() {
            Some(what) => report.skip(&name, what, in_ci()),
            None => report.check(&name, || {
                build::package(repo, Language::Kotlin)?;
                prints(repo, kotlin::start(repo, project)?, expected)
            }),
        }
    }
    for language in [Language::Python, Language::Node] {
        let name = format!("docs: first call {language}");
        match language.missing() {
            Some(what) => report.skip(&name, what, in_ci()),
            None => report.check(&name, || first_call(repo, language)),
        }
    }
    match Language::Python.missing() {
        Some(what) => report.skip("docs: python examples", what, in_ci()),
        None => report.check("docs: python examples", || examples::run(repo, examples::IN_CI)),
    }
    report.check("docs: stream rust", || {
        build::package(repo, Language::Rust)?;
        prints(repo, build::example(repo, "stream"), STREAMED)
    });
}

fn quickstart(repo: &Repo, language: Language) -> Result<bool> {
    build::package(repo, language)?;
    prints(repo, build::program(repo, "quickstart", "quickstart", language)?, EXPECTED)
}

/// As `cycles demo` says: under a budget, with no server.
fn first_call(repo: &Repo, language: Language) -> Result<bool> {
    build::package(repo, language)?;
    let program = build::program(repo, "first_call", "first_call", language)?;
    let mut command =
        Command::new(repo.artifact(&format!("cycles{}", std::env::consts::EXE_SUFFIX)));
    command.args(["run", "--budget", "5", "--"]).arg(program.get_program());
    command.args(program.get_args());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    prints(repo, command, ANSWERED)
}

/// Whether a program's last line is `expected`.
fn prints(repo: &Repo, mut command: Command, expected: &str) -> Result<bool> {
    let finished = run_and_keep(command.current_dir(&repo.root))?;
    ensure!(finished.success, "the program failed");
    match finished.stdout.trim_end().lines().last() {
        Some(last) if last == expected => Ok(true),
        last => bail!("expected {expected:?}, not {last:?}"),
    }
}
