//! Runs the simulation from a shell: `simulate [--seed N | --random] [--steps M]`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a program")]

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use cycles_protocol::{Clock, Random, SystemClock, SystemRandom};
use cycles_testkit::simulation::{Progress, Simulation};

const USAGE: &str = "usage: simulate [--seed N | --random] [--steps M]";
/// How often a terminal is told.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

struct Options {
    seed: u64,
    steps: u64,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let clock = SystemClock::new();
    let report = Simulation::new(options.seed).run(options.steps, meter(clock));
    match report {
        Ok(report) => {
            let seconds = clock.monotonic().as_secs_f64();
            println!("{report}\n{seconds:.1} s");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options { seed: 0, steps: 200_000 };
    while let Some(name) = arguments.next() {
        let mut number = || {
            let text = arguments.next().ok_or_else(|| format!("{name} needs a number"))?;
            text.replace('_', "").parse().map_err(|_| format!("{name} needs a number, not {text}"))
        };
        match name.as_str() {
            "--seed" => options.seed = number()?,
            "--steps" => options.steps = number()?,
            "--random" => {
                let mut bytes = [0; 8];
                SystemRandom.fill(&mut bytes);
                options.seed = u64::from_le_bytes(bytes);
                eprintln!("seed {}", options.seed);
            }
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    Ok(options)
}

/// A line for people who watch.
fn meter(clock: SystemClock) -> impl FnMut(Progress) {
    let is_watched = std::io::stderr().is_terminal();
    let mut next = PROGRESS_EVERY;
    move |progress| {
        let now = clock.monotonic();
        if is_watched && now >= next {
            next = now + PROGRESS_EVERY;
            let Progress { step, steps, open, .. } = progress;
            eprint!("\r{step} of {steps} commands, {open} open reservations ");
            let _ = std::io::stderr().flush();
            if step == steps {
                eprintln!();
            }
        }
    }
}
