//! `cargo xtask simulate`: the engine against its oracle, from a seed.

use std::process::Command;

use anyhow::Result;

use crate::build;
use crate::count::Count;
use crate::repo::Repo;
use crate::run::run as run_command;

/// Commands that `cargo xtask test` runs.
pub(crate) const CI_STEPS: u64 = 200_000;
/// Commands that `cargo xtask soak` runs.
pub(crate) const SOAK_STEPS: u64 = 20_000_000;

/// Commands of each run over a directory that `cargo xtask soak` makes.
const SOAK_STEPS_KEPT: u64 = 200_000;

/// Runs the simulation over a directory, whose server ends now and then, for long.
pub(crate) fn soak_kept(repo: &Repo) -> bool {
    let mut command = build::cargo_in(repo, "test");
    command.args(build::EVERYTHING).args(["--test", "store", "what_restarts"]);
    command.env("CYCLES_SIMULATION_STEPS", SOAK_STEPS_KEPT.to_string());
    run_command(&mut command).is_ok()
}

/// Builds, then runs one seed.
pub(crate) fn run(repo: &Repo, seed: u64, steps: u64) -> Result<bool> {
    build::workspace(repo)?;
    Ok(simulation(repo, seed, steps).is_ok())
}

/// One run as a test of its own.
pub(crate) fn count(repo: &Repo) -> Result<(Count, bool)> {
    simulation(repo, 0, CI_STEPS)?;
    Ok((Count { passed: 1, ..Count::default() }, true))
}

fn simulation(repo: &Repo, seed: u64, steps: u64) -> Result<()> {
    let program = repo.artifact(&format!("simulate{}", std::env::consts::EXE_SUFFIX));
    let numbers = [seed, steps].map(|number| number.to_string());
    run_command(Command::new(program).args(["--seed", &numbers[0], "--steps", &numbers[1]]))
}
