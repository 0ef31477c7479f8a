//! Running other programs: say what, stream their output, say how long.

use std::io::{BufRead, BufReader, IsTerminal};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Runs `command` with its output passed through.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = announce(command);
    let start = Instant::now();
    let status = command.status().with_context(|| format!("cannot start {line}"))?;
    if !status.success() {
        let program = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
        bail!("{program} failed after {}: {status}", seconds(start.elapsed()));
    }
    println!("  done in {}", seconds(start.elapsed()));
    Ok(())
}

/// What a program said and whether it succeeded.
pub(crate) struct Finished {
    /// Its standard output.
    pub(crate) stdout: String,
    /// Whether it exited with 0.
    pub(crate) success: bool,
}

/// Runs `command` with its output passed through and kept.
pub(crate) fn run_and_keep(command: &mut Command) -> Result<Finished> {
    let line = announce(command);
    let start = Instant::now();
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child =
        command.stdout(Stdio::piped()).spawn().with_context(|| format!("cannot start {line}"))?;
    let mut stdout = String::new();
    if let Some(pipe) = child.stdout.take() {
        let mut reader = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes)? > 0 {
            let text = String::from_utf8_lossy(&bytes);
            print!("{text}");
            stdout.push_str(&text);
            bytes.clear();
        }
    }
    let status = child.wait()?;
    println!(
        "  {} in {}",
        if status.success() { "done" } else { "failed" },
        seconds(start.elapsed())
    );
    Ok(Finished { stdout, success: status.success() })
}

/// What a program prints, or nothing where it is missing or fails.
pub(crate) fn ask(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

/// A span for people.
pub(crate) fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}

fn announce(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    if let Some((_, name)) = line.rsplit_once(['/', '\\']) {
        line = name.to_owned();
    }
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    println!("$ {line}");
    line
}
