//! Code written for older packages, with those packages and with ours.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::build::{self, cargo_in, python};
use crate::count::Count;
use crate::demo::server::Server;
use crate::language::Language;
use crate::repo::{PROFILE, Repo};
use crate::run::{run, run_and_keep};

/// Runs all of them.
pub(super) fn count(repo: &Repo) -> Result<(Count, bool)> {
    let mut count = rust(repo)?;
    if Language::Python.missing().is_none() {
        count = count.plus(python(repo)?);
    }
    Ok((count, count.failed == 0))
}

/// The 0.3 API with the registry's `runcycles` 0.3.2, built in its own workspace; the
/// Rust suite runs the same file with ours.
fn rust(repo: &Repo) -> Result<Count> {
    run(cargo_in(repo, "build")
        .args(["--locked", "--profile", PROFILE, "--package", "compat-0-3", "--manifest-path"])
        .arg("benches/settlement/Cargo.toml")
        .env("CARGO_TARGET_DIR", &repo.target))?;
    let program = |name: &str| repo.artifact(&format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let finished = run_and_keep(Command::new(program("compat-0-3")).arg(program("cycles")))?;
    Ok(one(finished.success))
}

/// The Python of 0.5 with the registry's 0.5.3 and with ours: both must see the same.
fn python(repo: &Repo) -> Result<Count> {
    build::package(repo, Language::Python)?;
    python::COMPAT.ensure(repo)?;
    let theirs = said(repo, Command::new(python::COMPAT.program(repo, "python")))?;
    let ours = said(repo, python::interpreter(repo))?;
    let differing: Vec<_> = theirs.lines().zip(ours.lines()).filter(|(a, b)| a != b).collect();
    for (theirs, ours) in &differing {
        println!("0.5.3 saw {theirs}\n   we saw {ours}");
    }
    Ok(one(differing.is_empty() && theirs.lines().count() == ours.lines().count()))
}

fn said(repo: &Repo, mut interpreter: Command) -> Result<String> {
    let server = Server::start(repo, "tests/compat_0_5/seed.yaml")?;
    let finished = run_and_keep(
        interpreter
            .arg(repo.path("tests/compat_0_5/user_code.py"))
            .args([&server.base_url, &server.api_key]),
    )?;
    server.stop()?;
    ensure!(finished.success, "the program failed");
    Ok(finished.stdout)
}

const fn one(passed: bool) -> Count {
    Count { passed: passed as u32, failed: !passed as u32, skipped: 0 }
}
