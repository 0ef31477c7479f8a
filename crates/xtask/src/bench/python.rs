//! Durable guarded calls in Python, ours and those of the registry's `runcycles`
//! 0.5.3: one source, one server, one run.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::build::python;
use crate::demo::server::Server;
use crate::repo::{PROFILE, Repo};
use crate::run::run_and_keep;

const SEED: &str = "benches/python/seed.yaml";

/// What the ratios are to be at most, of ours to theirs: way, calls in flight, limit.
const TARGETS: [(&str, u64, &str, f64); 4] = [
    ("import", 0, "ms", 0.5),
    ("sync", 1, "cpu_us_per_call", 0.1),
    ("sync", 32, "cpu_us_per_call", 0.1),
    ("async", 32, "cpu_us_per_call", 1.0 / 15.0),
];

/// Measures both and prints one table.
pub(super) fn run(repo: &Repo, calls: u32) -> Result<()> {
    python::COMPAT.ensure(repo)?;
    let server = Server::start(repo, SEED)?;
    let theirs =
        measured(repo, Command::new(python::COMPAT.program(repo, "python")), &server, calls)?;
    let ours = measured(repo, python::interpreter(repo), &server, calls)?;
    server.stop()?;
    println!(
        "\ndurable guarded calls against one `cycles serve`, {calls} calls each, profile {PROFILE}"
    );
    println!(
        "{:12} {:>9} {:>7} {:>12} {:>9} {:>11} {:>8}",
        "way", "in flight", "package", "CPU µs/call", "calls/s", "lag p99 ms", "ms"
    );
    for row in theirs.iter().chain(&ours) {
        let cell =
            |name: &str| row[name].as_f64().map_or_else(|| "-".to_owned(), |n| n.to_string());
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        println!(
            "{:12} {:>9} {:>7} {:>12} {:>9} {:>11} {:>8}",
            text("way"),
            cell("in_flight"),
            text("package"),
            cell("cpu_us_per_call"),
            cell("calls_per_second"),
            cell("lag_p99_ms"),
            cell("ms")
        );
    }
    for (way, in_flight, unit, limit) in TARGETS {
        let of = |rows: &[Value]| {
            let row = rows.iter().find(|row| {
                row["way"] == way && row["in_flight"].as_u64().unwrap_or_default() == in_flight
            });
            row.and_then(|row| row[unit].as_f64()).context("a way was not measured")
        };
        let ratio = of(&ours)? / of(&theirs)?;
        let verdict = if ratio <= limit { "reached" } else { "missed" };
        println!("{way} {in_flight}: {ratio:.3} of 0.5.3's {unit}, wanted {limit:.3}: {verdict}");
    }
    Ok(())
}

fn measured(
    repo: &Repo,
    mut interpreter: Command,
    server: &Server,
    calls: u32,
) -> Result<Vec<Value>> {
    let finished =
        run_and_keep(interpreter.arg(repo.path("benches/python/guarded_calls.py")).args([
            &server.base_url,
            &server.api_key,
            &calls.to_string(),
        ]))?;
    ensure!(finished.success, "the program failed");
    finished.stdout.lines().map(|line| serde_json::from_str(line).context("not JSON")).collect()
}
