//! The program `cycles`.

mod address;
mod failure;
mod serve;
mod signals;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
}

fn main() -> ExitCode {
    let Arguments { command: Command::Serve(serve) } = Arguments::parse();
    match serve.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
