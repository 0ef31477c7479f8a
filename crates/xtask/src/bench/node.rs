//! Durable guarded calls in Node, ours and those of the least that JavaScript does for them
//! (`benches/node/baseline.mjs`), and what streams leave on the heap.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::build;
use crate::language::Language;
use crate::repo::{PROFILE, Repo};
use crate::run::run_and_keep;

/// Builds, runs and prints one table.
pub(super) fn run(repo: &Repo, runs: u32) -> Result<()> {
    build::package(repo, Language::Node)?;
    let program = repo.artifact(&format!("cycles{}", std::env::consts::EXE_SUFFIX));
    let finished = run_and_keep(
        Command::new("node")
            .arg("benches/node/compare.mjs")
            .arg(program)
            .arg(repo.target.join("node-bench"))
            .arg(runs.to_string())
            .env("CYCLES_CONTRACT", "off")
            .current_dir(&repo.root),
    )?;
    ensure!(finished.success, "the program failed");
    println!("\nguarded calls in Node, medians over {runs} runs, profile {PROFILE}");
    for line in finished.stdout.lines() {
        let row: Value = serde_json::from_str(line).context("not JSON")?;
        let members = row.as_object().context("not an object")?;
        let figures = members.iter().filter(|(name, _)| *name != "way");
        let figures: Vec<_> = figures.map(|(name, value)| format!("{name} {value}")).collect();
        println!("{:28} {}", row["way"].as_str().unwrap_or_default(), figures.join(", "));
    }
    Ok(())
}
