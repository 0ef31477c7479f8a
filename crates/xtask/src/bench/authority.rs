//! The authority's figures, as `benches/` measures them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Subject;
use crate::repo::{PROFILE, Repo};
use crate::run::run_and_keep;

pub(super) fn run(
    repo: &Repo,
    subject: Subject,
    runs: u32,
    directory: Option<&Path>,
) -> Result<()> {
    let program = |name: &str| repo.artifact(&format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let mut command = Command::new(program("cycles-bench"));
    let runs_argument = ["--runs".to_owned(), runs.to_string()];
    match subject {
        Subject::Ledger => command.arg("ledger").args(runs_argument),
        Subject::Http => command.arg("http").args(runs_argument),
        Subject::Store => {
            let at = directory.map(|directory| [Path::new("--directory"), directory]);
            command.arg("store").args(runs_argument).args(at.into_iter().flatten())
        }
        Subject::Memory => command.arg("memory"),
        _ => command.arg("start").arg(program("cycles")),
    };
    let finished = run_and_keep(&mut command)?;
    ensure!(finished.success, "the program failed");
    let last = finished.stdout.trim_end().lines().last().unwrap_or_default();
    let answer: Value =
        serde_json::from_str(last).with_context(|| format!("not JSON: {last:?}"))?;
    println!("\nmedians over {runs} runs, profile {PROFILE}");
    match subject {
        Subject::Ledger => ledger(&answer),
        Subject::Http => http(&answer),
        Subject::Store => store(&answer),
        Subject::Memory => println!(
            "{} bytes of resident memory each open reservation, over {}",
            answer["bytes_each"], answer["reservations"]
        ),
        _ => println!(
            "ready after {:.1} ms, at the worst {:.1} ms",
            number(&answer, "median_ms"),
            number(&answer, "worst_ms")
        ),
    }
    Ok(())
}

/// Reserve and commit over six scopes.
fn ledger(answer: &Value) {
    println!(
        "{:8}  {:>9}  {:>9}  {:>12}  {:>8}  {:>8}",
        "what", "budgets", "open", "lifecycles/s", "p99 µs", "× slower"
    );
    for what in ["ledger", "engine"] {
        let rows = answer[what].as_array().map(Vec::as_slice).unwrap_or_default();
        let first = rows.first().map_or(f64::NAN, |row| number(row, "lifecycles_per_s"));
        for row in rows {
            let rate = number(row, "lifecycles_per_s");
            println!(
                "{what:8}  {:>9}  {:>9}  {rate:12.0}  {:8.2}  {:8.2}",
                row["budgets"],
                row["open"],
                number(row, "p99_us"),
                first / rate
            );
        }
    }
}

/// Our server and the bare handler, side by side.
fn http(answer: &Value) {
    println!(
        "{:11}  {:>5}  {:>9}  {:>9}  {:>7}  {:>9}  {:>9}  {:>9}  {:>7}  {:>7}",
        "budgets",
        "conns",
        "reserve/s",
        "bare/s",
        "ratio",
        "p50 µs",
        "bare p50",
        "p99 µs",
        "p50 ×",
        "CPU ×"
    );
    for row in answer.as_array().into_iter().flatten() {
        let (ours, bare) = (&row["cycles"], &row["bare"]);
        println!(
            "{:11}  {:>5}  {:9.0}  {:9.0}  {:7.2}  {:9.0}  {:9.0}  {:9.0}  {:7.2}  {:7.2}",
            row["budgets"].as_str().unwrap_or_default(),
            row["connections"],
            number(ours, "requests_per_s"),
            number(bare, "requests_per_s"),
            number(row, "throughput_ratio"),
            number(ours, "p50_us"),
            number(bare, "p50_us"),
            number(ours, "p99_us"),
            number(row, "p50_ratio"),
            number(row, "cpu_ratio")
        );
    }
}

/// Durable and in memory, and what a large ledger costs.
fn store(answer: &Value) {
    println!(
        "one sync {:.2} ms; one client: p50 {:.2} ms durable, {:.2} ms in memory",
        number(answer, "sync_ms"),
        number(answer, "durable_p50_ms"),
        number(answer, "memory_p50_ms")
    );
    println!(
        "64 clients: {:.0} requests/s durable, {:.0} in memory ({:.0} %); {:.1} requests a transaction",
        number(answer, "durable_per_s"),
        number(answer, "memory_per_s"),
        100.0 * number(answer, "durable_per_s") / number(answer, "memory_per_s"),
        number(answer, "requests_each_transaction")
    );
    println!("with a transaction for each request:");
    for (what, figure) in [
        ("decided in SQL, as SQLite comes", "in_sql_per_s"),
        ("decided in SQL, with its write-ahead log", "in_sql_wal_per_s"),
        ("the durable store without batches", "transaction_each_per_s"),
    ] {
        let per_s = number(answer, figure);
        let times = number(answer, "durable_per_s") / per_s;
        println!("  {what:42} {per_s:6.0} requests/s ({times:.1} × less)");
    }
    for row in answer["slower"].as_array().into_iter().flatten() {
        let (durable, each) = (number(row, "durable_per_s"), number(row, "transaction_each_per_s"));
        println!(
            "were a sync {:.2} ms slower (waited, not the disk's): {durable:.0} requests/s, {each:.0} with a transaction for each ({:.1} × less)",
            number(row, "by_ms"),
            durable / each
        );
    }
    println!(
        "the server's CPU a request: {:.0} µs durable, {:.0} µs in memory",
        number(answer, "durable_cpu_us"),
        number(answer, "memory_cpu_us")
    );
    let large = &answer["large"];
    println!(
        "{} open reservations, {:.0} MB on disk: ready after {:.0} ms",
        large["reservations"],
        number(large, "megabytes"),
        number(large, "start_ms")
    );
    println!("{:16}  {:>9}  {:>9}", "a page by", "p50 ms", "worst ms");
    for page in large["pages"].as_array().into_iter().flatten() {
        let order = page["order"].as_str().unwrap_or_default();
        println!("{order:16}  {:9.2}  {:9.2}", number(page, "p50_ms"), number(page, "worst_ms"));
    }
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or(f64::NAN)
}
