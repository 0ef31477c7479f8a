//! `cargo xtask bench`: what the authority costs, and what a guarded call costs in
//! each language. The programs are `benches/` and `examples/bench/<language>`.

mod authority;
mod node;
mod python;
mod settlement;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde_json::Value;

use crate::build::{self, jdk, kotlin};
use crate::language::Language;
use crate::repo::{PROFILE, Repo};
use crate::run::run_and_keep;

/// The row that others are compared with.
const RUST: &str = "rust";

const MODES: [(&str, &str); 2] = [("embedded", "in process"), ("http", "loopback HTTP")];

/// Medians of p50 and p99 over all runs, in microseconds.
struct Row {
    language: &'static str,
    mode: &'static str,
    p50: f64,
    p99: f64,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    /// The ledger and the engine: lifecycles a second, and what size does to them
    Ledger,
    /// Reserve over HTTP, against a bare handler on the same core
    Http,
    /// The durable store against the memory store, and a ledger of a million; only
    /// when named
    Store,
    /// Memory of an open reservation
    Memory,
    /// From `cycles serve` to ready
    Start,
    /// Durable guarded calls against the registry's `runcycles` 0.3; only when named
    Settlement,
    /// A guarded call in Rust
    Rust,
    /// A guarded call in Python
    Python,
    /// A guarded call in Node; when named, also against a client in JavaScript
    Node,
    /// A guarded call in Kotlin
    Kotlin,
    /// A guarded call in Go
    Go,
    /// A guarded call in Ruby
    Ruby,
    /// A guarded call in C
    C,
}

impl Subject {
    const fn language(self) -> Option<Language> {
        match self {
            Self::Rust => Some(Language::Rust),
            Self::Python => Some(Language::Python),
            Self::Node => Some(Language::Node),
            Self::Kotlin => Some(Language::Kotlin),
            Self::Go => Some(Language::Go),
            Self::Ruby => Some(Language::Ruby),
            Self::C
            | Self::Ledger
            | Self::Http
            | Self::Store
            | Self::Memory
            | Self::Start
            | Self::Settlement => None,
        }
    }
}

/// Measures `subjects`, or all where none is named, and prints a table for each.
pub(crate) fn run(
    repo: &Repo,
    subjects: &[Subject],
    runs: u32,
    calls: u32,
    directory: Option<&Path>,
) -> Result<bool> {
    let named = !subjects.is_empty();
    let subjects = if named { subjects.to_vec() } else { by_default() };
    build::workspace(repo)?;
    for subject in subjects.iter().filter(|subject| subject.language().is_none()) {
        match subject {
            Subject::C => {}
            Subject::Settlement => settlement::run(repo, runs)?,
            _ => authority::run(repo, *subject, runs, directory)?,
        }
    }
    let languages: Vec<_> = subjects.iter().filter_map(|subject| subject.language()).collect();
    let in_c = subjects.contains(&Subject::C);
    if in_c || !languages.is_empty() {
        guarded_calls(repo, &languages, in_c, runs, calls)?;
    }
    // Minutes, and other packages, for whoever asks for it by name.
    if named && subjects.contains(&Subject::Node) {
        node::run(repo, runs)?;
    }
    if named && subjects.contains(&Subject::Python) {
        python::run(repo, calls)?;
    }
    Ok(true)
}

/// All but what builds the registry's `runcycles`, or fills a disk.
fn by_default() -> Vec<Subject> {
    let all = Subject::value_variants().iter().copied();
    all.filter(|subject| !matches!(subject, Subject::Settlement | Subject::Store)).collect()
}

fn guarded_calls(
    repo: &Repo,
    languages: &[Language],
    in_c: bool,
    runs: u32,
    calls: u32,
) -> Result<()> {
    let mut programs = Vec::new();
    if !languages.is_empty() {
        for language in Language::present(languages)? {
            build::package(repo, language)?;
            let program = build::program(repo, "bench", "bench", language)?;
            programs.push((language.name(), program));
            if language == Language::Kotlin {
                programs.extend(kotlin_on_ffm(repo)?);
            }
        }
    }
    // The compiler is Go's too.
    match Language::Go.missing() {
        _ if !in_c => {}
        None => programs.push(("c", build::c::program(repo, "examples/bench/c/bench.c")?)),
        Some(what) => println!("SKIP c: {what}"),
    }
    let mut rows = Vec::new();
    for (language, mut command) in programs {
        command.env("BENCH_RUNS", runs.to_string()).env("BENCH_CALLS", calls.to_string());
        command.env("CYCLES_CONTRACT", "off"); // users' test servers do not check either
        let finished = run_and_keep(command.current_dir(&repo.root))?;
        ensure!(finished.success, "the {language} program failed");
        let last = finished.stdout.trim_end().lines().last().unwrap_or_default();
        let line: Value =
            serde_json::from_str(last).with_context(|| format!("not JSON: {last:?}"))?;
        for (key, mode) in MODES {
            let (p50, p99) = (median(&line[key], "p50_us")?, median(&line[key], "p99_us")?);
            rows.push(Row { language, mode, p50, p99 });
        }
    }
    println!("\none guarded call, medians over {runs} runs of {calls} calls, profile {PROFILE}");
    print(&rows);
    Ok(())
}

/// The same program in a JVM where the package has another way into its library.
fn kotlin_on_ffm(repo: &Repo) -> Result<Option<(&'static str, Command)>> {
    const NAME: &str = "kotlin, FFM";
    let Some(home) = jdk::with_ffm() else {
        println!("SKIP {NAME}: {}", jdk::MISSING);
        return Ok(None);
    };
    let program = kotlin::start_on(&jdk::java(home), repo, "examples/bench/kotlin")?;
    Ok(Some((NAME, program)))
}

fn print(rows: &[Row]) {
    println!(
        "{:11}  {:13}  {:>9}  {:>9}  {:>7}",
        "language", "authority", "p50 µs", "p99 µs", "× Rust"
    );
    for row in rows {
        let rust = rows.iter().find(|other| other.language == RUST && other.mode == row.mode);
        let ratio = rust.map_or("-".to_owned(), |rust| format!("{:.1}", row.p50 / rust.p50));
        println!(
            "{:11}  {:13}  {:9.1}  {:9.1}  {ratio:>7}",
            row.language, row.mode, row.p50, row.p99
        );
    }
}

fn median(runs: &Value, name: &str) -> Result<f64> {
    let values = runs.as_array().into_iter().flatten().filter_map(|run| run[name].as_f64());
    let mut values: Vec<f64> = values.collect();
    ensure!(!values.is_empty(), "the program measured no {name}");
    values.sort_by(f64::total_cmp);
    Ok(values[values.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_median_is_the_middle_run() {
        let runs = json!([{"p50_us": 9.0}, {"p50_us": 1.0}, {"p50_us": 5.0}]);
        assert!((median(&runs, "p50_us").unwrap() - 5.0).abs() < f64::EPSILON);
        assert!(median(&runs, "p99_us").is_err());
    }
}
