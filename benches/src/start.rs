//! How long the program takes to be ready.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use crate::sample::median;

/// From `cycles serve` to its ready line.
#[derive(Serialize)]
pub(crate) struct Start {
    median_ms: f64,
    worst_ms: f64,
}

pub(crate) fn measure(program: &Path, runs: usize) -> Result<Start> {
    let times = (0..runs).map(|_| once(program)).collect::<Result<Vec<_>>>()?;
    let worst_ms = times.iter().copied().fold(0.0, f64::max);
    Ok(Start { median_ms: median(times), worst_ms })
}

fn once(program: &Path) -> Result<f64> {
    let start = Instant::now();
    let mut child = Command::new(program)
        .args(["serve", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
    let took = start.elapsed().as_secs_f64() * 1e3;
    child.kill()?;
    child.wait()?;
    ensure!(line.contains("ready"), "not a ready line: {line:?}");
    Ok(took)
}
