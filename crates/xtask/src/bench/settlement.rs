//! Durable guarded calls, ours and those of the registry's `runcycles` 0.3. The
//! program has a workspace of its own, so that nothing else builds the old crate.
//! All of it is built as it is released: both clients and the server share two cores.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::build::cargo_in;
use crate::repo::Repo;
use crate::run::{run as run_command, run_and_keep};

/// Builds, runs and prints one table.
pub(super) fn run(repo: &Repo, runs: u32) -> Result<()> {
    let build = |which: [&str; 2]| {
        let mut command = cargo_in(repo, "build");
        command.args(["--locked", "--release"]).args(which);
        run_command(command.env("CARGO_TARGET_DIR", &repo.target))
    };
    build(["--package", "cycles-cli"])?;
    build(["--manifest-path", "benches/settlement/Cargo.toml"])?;
    let released = repo.target.join("release");
    let program = |name: &str| released.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let finished = run_and_keep(
        Command::new(program("settlement-bench"))
            .arg(program("cycles"))
            .arg(repo.target.join("settlement-bench"))
            .arg(runs.to_string()),
    )?;
    ensure!(finished.success, "the program failed");
    println!("\nguarded calls against one server, medians over {runs} runs, profile release");
    println!("{:24} {:>9} {:>9} {:>12}", "", "in flight", "calls/s", "CPU µs/call");
    for line in finished.stdout.lines() {
        let row: Value = serde_json::from_str(line).context("not JSON")?;
        let way = row["way"].as_str().unwrap_or_default();
        let [in_flight, calls, cpu] =
            ["in_flight", "calls_per_second", "cpu_us_per_call"].map(|name| row[name].to_string());
        println!("{way:24} {in_flight:>9} {calls:>9} {cpu:>12}");
    }
    Ok(())
}
