//! The program `cycles`.

mod address;
mod command;
mod failure;
mod metrics;
mod money;
mod output;
mod remote;
mod settings;
mod signals;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser};

use crate::command::Command;
use crate::failure::{EXIT_CODES, Failure};
use crate::settings::SettingsFile;

// A decision makes some fifty small allocations; this allocator halves their cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Cycles: budget authority for AI agents.
///
/// Agents reserve budget before they act, commit what they used and give the
/// rest back, so that no interleaving of calls spends more than was granted.
#[derive(Debug, Parser)]
#[command(name = "cycles", version, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// From nothing to a server that agents can ask.
macro_rules! start_here {
    () => {
        "\x20 cycles serve                                     a server, and its admin key on stderr
  export CYCLES_ADMIN_API_KEY=…
  cycles tenant create acme
  cycles budget create tenant:acme '$10'
  cycles key create acme                           the key for your agents, shown once
  export CYCLES_API_KEY=…
  export CYCLES_TENANT=acme
  cycles doctor                                    whether all of it fits together
"
    };
}

/// [`start_here`], for whoever asked what to do next.
const START_HERE: &str = start_here!();

const AFTER_HELP: &str = concat!(
    "\
Start here:

  cycles demo                                      watch a budget stop a runaway agent

",
    start_here!(),
    "
Settings come from flags, else from the environment, else from the file that
CYCLES_CONFIG names or ~/.config/cycles/config.yaml; cycles config shows them.

Exit codes: 0 done, 1 failed, 2 wrong arguments or settings, 3 the server refused,
4 the server cannot be reached."
);

fn main() -> ExitCode {
    debug_assert!(AFTER_HELP.ends_with(EXIT_CODES));
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn run() -> Result<(), Failure> {
    let file = SettingsFile::find()?;
    let mut matches = file.apply(Arguments::command())?.try_get_matches().or_else(|error| {
        match (error.kind(), &file.path) {
            // The value may be the file's, which clap does not know.
            (ErrorKind::ValueValidation | ErrorKind::InvalidValue, Some(path)) => Err(
                Failure::Usage(format!("{error}\nsettings are also read from {}", path.display())),
            ),
            _ => error.exit(),
        }
    })?;
    let shown = matches.clone();
    let arguments =
        Arguments::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.exit());
    arguments.command.run(&shown, &file)
}
