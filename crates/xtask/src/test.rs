//! `cargo xtask test`: every suite, counted.

mod compat;
mod docs;
pub(crate) mod examples;
mod kotlin;
mod package;
mod spring;
mod swift;

use std::time::Instant;

use anyhow::Result;
use clap::ValueEnum;

use crate::build::{self, cargo_in, go, node, python, ruby};
use crate::contract;
use crate::count::{self, Count};
use crate::crash;
use crate::fuzz;
use crate::language::Language;
use crate::oversubscription;
use crate::recovery;
use crate::repo::{Repo, in_ci};
use crate::report::{Report, Row};
use crate::run::run_and_keep;
use crate::simulate;

/// A suite of tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// All crates, documentation examples included
    Rust,
    /// `python/tests`
    Python,
    /// `node/test`
    Node,
    /// `bindings/kotlin/src/test`
    Kotlin,
    /// `bindings/spring`, and its example
    Spring,
    /// `bindings/go`, with the race detector
    Go,
    /// `bindings/ruby/test`, and its scenarios with the installed gem
    Ruby,
    /// `bindings/swift`: generated, and compiled where Swift is
    Swift,
    /// 200,000 commands against the oracle
    Simulation,
    /// A server that is killed 20 times under load
    Crash,
    /// The server against its OpenAPI file, by schemathesis
    Contract,
    /// A bounded run of each fuzz target
    Fuzz,
    /// 64 clients in all languages, one budget
    Oversubscription,
    /// Processes of all languages that are killed while they settle
    Recovery,
    /// Code written for the registry's packages, with those and with ours
    Compat,
    /// The Python package, installed from its wheel and from its sdist
    PythonPackage,
    /// The README's programs
    Docs,
}

impl Suite {
    const ALL: [Self; 17] = [
        Self::Rust,
        Self::Simulation,
        Self::Crash,
        Self::Contract,
        Self::Fuzz,
        Self::Python,
        Self::Node,
        Self::Kotlin,
        Self::Spring,
        Self::Go,
        Self::Ruby,
        Self::Swift,
        Self::Oversubscription,
        Self::Recovery,
        Self::Compat,
        Self::PythonPackage,
        Self::Docs,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Rust => Language::Rust.name(),
            Self::Python => Language::Python.name(),
            Self::Node => Language::Node.name(),
            Self::Kotlin => Language::Kotlin.name(),
            Self::Go => Language::Go.name(),
            Self::Ruby => Language::Ruby.name(),
            Self::Spring => "spring",
            Self::Swift => "swift",
            Self::Simulation => "simulation",
            Self::Crash => "crash",
            Self::Contract => "contract",
            Self::Fuzz => "fuzz",
            Self::Oversubscription => "oversubscription",
            Self::Recovery => "recovery",
            Self::Compat => "compat",
            Self::PythonPackage => "python-package",
            Self::Docs => "docs",
        }
    }

    /// Whose toolchain it needs.
    fn language(self) -> Option<Language> {
        match self {
            Self::Rust => Some(Language::Rust),
            Self::Python | Self::Contract | Self::PythonPackage => Some(Language::Python),
            Self::Node => Some(Language::Node),
            Self::Kotlin | Self::Spring => Some(Language::Kotlin),
            Self::Go => Some(Language::Go),
            Self::Ruby => Some(Language::Ruby),
            Self::Swift
            | Self::Simulation
            | Self::Crash
            | Self::Fuzz
            | Self::Oversubscription
            | Self::Recovery
            | Self::Compat
            | Self::Docs => None,
        }
    }

    /// What to install before this suite can run here.
    fn missing(self) -> Option<&'static str> {
        match self {
            Self::Fuzz => fuzz::missing(),
            _ => self.language().and_then(Language::missing),
        }
    }
}

/// Builds, then runs `suites`, or all where none is named.
pub(crate) fn run(repo: &Repo, suites: &[Suite]) -> Result<Report> {
    let suites = if suites.is_empty() { &Suite::ALL[..] } else { suites };
    // The package is built from what its users have, by its own tools.
    if suites.iter().any(|suite| *suite != Suite::PythonPackage) {
        build::workspace(repo)?;
    }
    let mut report = Report::default();
    for &suite in suites {
        if let Some(what) = suite.missing() {
            report.skip(suite.name(), what, in_ci());
        } else if suite == Suite::Docs {
            docs::run(repo, &mut report);
        } else if suite == Suite::Swift {
            swift::run(repo, &mut report);
        } else {
            report.add(row(suite.name(), || count(repo, suite)));
            if suite == Suite::Kotlin {
                kotlin::on_ffm(repo, &mut report);
            }
        }
    }
    Ok(report)
}

/// Runs tests; answers how many, and whether their runner was content.
fn row(name: &str, tests: impl FnOnce() -> Result<(Count, bool)>) -> Row {
    println!("\n== tests: {name}");
    let start = Instant::now();
    let (count, note) = match tests() {
        Ok((Count { passed: 0, failed: 0, .. }, _)) => (failed(0), "ran no tests".to_owned()),
        Ok((count, true)) => (count, String::new()),
        // A runner may fail without a failed test, for instance by not compiling.
        Ok((count, false)) => {
            let failed = count.failed.max(1);
            (Count { failed, ..count }, "the runner failed".to_owned())
        }
        Err(error) => {
            (failed(0), format!("{error:#}").lines().next().unwrap_or_default().to_owned())
        }
    };
    let Count { passed, failed, skipped } = count;
    Row { name: name.to_owned(), passed, failed, skipped, took: start.elapsed(), note }
}

fn failed(passed: u32) -> Count {
    Count { passed, failed: 1, skipped: 0 }
}

/// How many tests ran, and whether the runner was content.
fn count(repo: &Repo, suite: Suite) -> Result<(Count, bool)> {
    match suite {
        Suite::Rust => {
            let finished =
                run_and_keep(cargo_in(repo, "test").args(build::EVERYTHING).arg("--no-fail-fast"))?;
            let otel = run_and_keep(cargo_in(repo, "test").args(build::OTEL))?;
            let counted = count::cargo(&finished.stdout).plus(count::cargo(&otel.stdout));
            Ok((counted, finished.success && otel.success))
        }
        Suite::Python => {
            build::package(repo, Language::Python)?;
            let file = repo.target.join("pytest.xml");
            let _ = std::fs::remove_file(&file);
            let finished = run_and_keep(
                python::interpreter(repo)
                    .args(["-m", "pytest", "--quiet", "--junitxml"])
                    .arg(&file)
                    .current_dir(repo.path("python")),
            )?;
            Ok((count::junit(&file)?, finished.success))
        }
        Suite::Node => {
            build::package(repo, Language::Node)?;
            let finished = run_and_keep(node::npm(repo).args(["run", "--silent", "test"]))?;
            Ok((count::node(&finished.stdout), finished.success))
        }
        Suite::Kotlin => kotlin::on_jna(repo),
        Suite::Go => {
            build::package(repo, Language::Go)?;
            let arguments = ["test", "-race", "-count=1", "-v", "./..."];
            let finished = run_and_keep(go::go(repo).args(arguments))?;
            Ok((count::go(&finished.stdout), finished.success))
        }
        Suite::Ruby => {
            build::package(repo, Language::Ruby)?;
            let tests = repo.path("bindings/ruby/test");
            let all = run_and_keep(ruby::ruby(repo).arg(tests.join("all.rb")))?;
            let mut installed = ruby::installed(repo)?;
            let from_gem = run_and_keep(installed.arg(tests.join("scenarios_test.rb")))?;
            let counted = count::minitest(&all.stdout).plus(count::minitest(&from_gem.stdout));
            Ok((counted, all.success && from_gem.success))
        }
        Suite::Spring => spring::count(repo),
        Suite::Simulation => simulate::count(repo),
        Suite::Crash => crash::count(repo),
        Suite::Oversubscription => oversubscription::count(repo),
        Suite::Recovery => recovery::killed::count(repo),
        Suite::Contract => contract::count(repo),
        Suite::Fuzz => fuzz::count(repo),
        Suite::Compat => compat::count(repo),
        Suite::PythonPackage => package::count(repo),
        Suite::Swift | Suite::Docs => Ok((Count::default(), true)),
    }
}
