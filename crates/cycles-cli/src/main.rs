//! The program `cycles`.

mod address;
mod command;
mod failure;
mod signals;

use std::process::ExitCode;

use clap::Parser;

use crate::command::Command;

// A decision makes some fifty small allocations; this allocator halves their cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Cycles: budget authority for AI agents.
///
/// Agents reserve budget before they act, commit what they used and give the
/// rest back, so that no interleaving of calls spends more than was granted.
#[derive(Debug, Parser)]
#[command(name = "cycles", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    match Arguments::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
