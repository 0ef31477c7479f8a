//! `cargo xtask fuzz`: libFuzzer on stable Rust.
//!
//! libFuzzer needs coverage instrumentation and no sanitizer, and that LLVM
//! pass is stable. `fuzz/` has the layout of cargo-fuzz.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::build::cargo_in;
use crate::count::Count;
use crate::repo::{Repo, in_ci};
use crate::run::{ask, run as run_command};

/// Each target and how many inputs `cargo xtask test` gives it: about ten
/// seconds' worth.
const TARGETS: [(&str, u32); 4] =
    [("requests", 150_000), ("dispatch", 1_500), ("cursors", 15_000), ("texts", 80_000)];
/// Longest input, bytes: the largest of ours is below it.
const INPUT_MAX: u32 = 4096;
/// An input that takes longer is a finding, seconds.
const INPUT_TIMEOUT: u32 = 20;
/// A target that takes more memory has a leak, MiB.
const MEMORY_MAX: u32 = 1024;

/// What cargo-fuzz passes to rustc, without a sanitizer.
const INSTRUMENTED: [&str; 8] = [
    "--cfg",
    "fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];

/// What to install before libFuzzer can be built here.
pub(crate) fn missing() -> Option<&'static str> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    match ask(&compiler, &["--version"]) {
        Some(_) if cfg!(unix) => None,
        Some(_) => Some("fuzz on Linux or macOS"),
        None => Some("install a C++ compiler for libFuzzer (Debian: g++)"),
    }
}

/// Fuzzes one target, or all in turn, each for `seconds`. What it learns is kept
/// in the target directory for the next time.
pub(crate) fn run(repo: &Repo, target: Option<&str>, seconds: u32) -> Result<bool> {
    if let Some(what) = missing() {
        println!("SKIP fuzz: {what}");
        return Ok(!in_ci());
    }
    let known: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    if let Some(target) = target.filter(|target| !known.contains(target)) {
        anyhow::bail!("no fuzz target {target}; there are {}", known.join(", "));
    }
    build(repo)?;
    for name in known.into_iter().filter(|name| target.is_none_or(|target| target == *name)) {
        let learned = repo.target.join("fuzz/corpus").join(name);
        std::fs::create_dir_all(&learned)?;
        let bound = format!("-max_total_time={seconds}");
        run_command(program(repo, name)?.arg(bound).arg(learned).arg(corpus(repo, name)))?;
    }
    Ok(true)
}

/// A bounded run from the committed corpus, one test for each target.
pub(crate) fn count(repo: &Repo) -> Result<(Count, bool)> {
    build(repo)?;
    let mut count = Count::default();
    for (name, runs) in TARGETS {
        // Empty, so that the run does not depend on runs before.
        let learned = repo.target.join("fuzz/learned").join(name);
        let _ = std::fs::remove_dir_all(&learned);
        std::fs::create_dir_all(&learned)?;
        let bounds = ["-seed=1".to_owned(), format!("-runs={runs}")];
        let mut command = program(repo, name)?;
        match run_command(command.args(bounds).arg(learned).arg(corpus(repo, name))) {
            Ok(()) => count.passed += 1,
            Err(error) => {
                println!("FAILED fuzz {name}: {error:#}; move the input into fuzz/corpus/{name}");
                count.failed += 1;
            }
        }
    }
    Ok((count, count.failed == 0))
}

fn build(repo: &Repo) -> Result<()> {
    run_command(
        cargo_in(repo, "build")
            .args(["--manifest-path", "fuzz/Cargo.toml", "--locked", "--release", "--bins"])
            // Named, so that build scripts and macros are not instrumented.
            .args(["--target", &host()?, "--target-dir"])
            .arg(repo.target.join("fuzz"))
            .env("CARGO_ENCODED_RUSTFLAGS", INSTRUMENTED.join("\u{1f}")),
    )
}

fn program(repo: &Repo, target: &str) -> Result<Command> {
    let folder = repo.target.join("fuzz").join(host()?).join("release");
    let mut prefix = repo.target.join("fuzz/found").join(target).into_os_string();
    std::fs::create_dir_all(&prefix)?;
    prefix.push("/");
    let mut artifacts = std::ffi::OsString::from("-artifact_prefix=");
    artifacts.push(prefix);
    let mut command = Command::new(folder.join(target));
    command.arg(artifacts).args([
        format!("-max_len={INPUT_MAX}"),
        format!("-timeout={INPUT_TIMEOUT}"),
        format!("-rss_limit_mb={MEMORY_MAX}"),
        "-print_final_stats=1".to_owned(),
    ]);
    Ok(command)
}

fn corpus(repo: &Repo, target: &str) -> PathBuf {
    repo.path("fuzz/corpus").join(target)
}

/// The platform's name, as `--target` wants it.
fn host() -> Result<String> {
    let version = ask("rustc", &["-vV"]).context("cannot ask rustc for its host")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc names no host")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_built_and_has_a_corpus() {
        let repo = Repo::find().unwrap();
        let manifest: toml::Table = repo.read("fuzz/Cargo.toml").unwrap().parse().unwrap();
        let bins = manifest["bin"].as_array().unwrap();
        let built: Vec<_> = bins.iter().map(|bin| bin["name"].as_str().unwrap()).collect();
        assert_eq!(built, TARGETS.map(|(name, _)| name));
        for name in built {
            assert!(corpus(&repo, name).read_dir().unwrap().next().is_some(), "{name}");
        }
    }
}
