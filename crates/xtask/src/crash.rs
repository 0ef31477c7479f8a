//! `cargo xtask crash`: a server is killed under load, again and again, and its
//! ledger compared with what its clients were told.

use std::process::Command;

use anyhow::Result;

use crate::build;
use crate::count::Count;
use crate::repo::Repo;
use crate::run::run as run_command;

/// Kills of `cargo xtask test`.
const CI_KILLS: u32 = 20;
/// Kills of `cargo xtask soak`.
pub(crate) const SOAK_KILLS: u32 = 500;

/// Builds, then kills so many times.
pub(crate) fn run(repo: &Repo, kills: u32, seed: u64) -> Result<bool> {
    build::workspace(repo)?;
    Ok(crash(repo, kills, seed).is_ok())
}

/// One run as a test of its own.
pub(crate) fn count(repo: &Repo) -> Result<(Count, bool)> {
    crash(repo, CI_KILLS, 0)?;
    Ok((Count { passed: 1, ..Count::default() }, true))
}

fn crash(repo: &Repo, kills: u32, seed: u64) -> Result<()> {
    let program = |name: &str| repo.artifact(&format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let mut command = Command::new(program("crash"));
    command.arg("run").arg(program("cycles"));
    command.args(["--kills", &kills.to_string(), "--seed", &seed.to_string()]);
    run_command(&mut command)
}
