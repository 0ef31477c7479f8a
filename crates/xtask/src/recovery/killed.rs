//! The tests that kill a process, with processes of another language.
//!
//! That language's program is `examples/recovery/LANGUAGE`; what it is started with and
//! what it says is in `docs/adding-a-language.md`.

use anyhow::{Result, ensure};

use super::KILLED;
use crate::build::{self, cargo_in};
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
    let mut command = cargo_in(repo, "test");
    command.args(build::EVERYTHING).args(["--test", KILLED, "--no-fail-fast"]);
    if language != Language::Rust {
        let folder = repo.path(format!("examples/{FOLDER}/{language}"));
        ensure!(folder.is_dir(), "{} is missing", folder.display());
        build::package(repo, language)?;
        let spender = build::program(repo, FOLDER, FILE, language)?;
        command.env("CYCLES_SPENDER", serde_json::to_string(&words(&spender))?);
        command.envs(spender.get_envs().filter_map(|(name, value)| Some((name, value?))));
    }
    let finished = run_and_keep(&mut command)?;
    Ok((count::cargo(&finished.stdout), finished.success))
}

/// The program and its arguments.
fn words(command: &std::process::Command) -> Vec<String> {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect()
}
