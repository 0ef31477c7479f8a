//! The tests that kill a process, with processes of another language.
//!
//! That language's program is `examples/recovery/LANGUAGE`; what it is started with and
//! what it says is in `docs/adding-a-language.md`.

use std::process::Command;

use anyhow::{Result, ensure};

use super::KILLED;
use crate::build::{self, cargo_in, jdk, kotlin};
use crate::count::{self, Count};
use crate::language::Language;
use crate::repo::Repo;
use crate::run::run_and_keep;

/// Where the programs are, and the name that their files have.
const FOLDER: &str = "recovery";
const FILE: &str = "spender";

/// Builds, then runs the tests once for each of `languages`.
pub(crate) fn run(repo: &Repo, languages: &[Language]) -> Result<bool> {
    build::workspace(repo)?;
    let mut all = true;
    for language in Language::present(languages)? {
        let (count, success) = of(repo, language)?;
        println!("{} of {language}, passed {}, failed {}", FOLDER, count.passed, count.failed);
        all &= success;
    }
    Ok(all)
}

/// The tests in every language but Rust, whose suite has them.
pub(crate) fn count(repo: &Repo) -> Result<(Count, bool)> {
    let mut total = (Count::default(), true);
    for language in Language::present(&[])? {
        if language != Language::Rust {
            let (count, success) = of(repo, language)?;
            total = (total.0.plus(count), total.1 && success);
        }
    }
    Ok(total)
}

fn of(repo: &Repo, language: Language) -> Result<(Count, bool)> {
    if language == Language::Rust {
        return with(repo, None);
    }
    let folder = format!("examples/{FOLDER}/{language}");
    ensure!(repo.path(&folder).is_dir(), "{folder} is missing");
    build::package(repo, language)?;
    let spender = build::program(repo, FOLDER, FILE, language)?;
    let (count, success) = with(repo, Some(&spender))?;
    let Some(home) = jdk::with_ffm().filter(|_| language == Language::Kotlin) else {
        return Ok((count, success));
    };
    // Its package has another way into the library there.
    let spender = kotlin::start_on(&jdk::java(home), repo, &folder)?;
    let (on_ffm, too) = with(repo, Some(&spender))?;
    Ok((count.plus(on_ffm), success && too))
}

/// The tests with a program of another language, or Rust's own.
fn with(repo: &Repo, spender: Option<&Command>) -> Result<(Count, bool)> {
    let mut command = cargo_in(repo, "test");
    command.args(build::EVERYTHING).args(["--test", KILLED, "--no-fail-fast"]);
    if let Some(spender) = spender {
        command.env("CYCLES_SPENDER", serde_json::to_string(&words(spender))?);
        command.envs(spender.get_envs().filter_map(|(name, value)| Some((name, value?))));
    }
    let finished = run_and_keep(&mut command)?;
    Ok((count::cargo(&finished.stdout), finished.success))
}

/// The program and its arguments.
fn words(command: &Command) -> Vec<String> {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect()
}
