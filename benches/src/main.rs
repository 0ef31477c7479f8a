//! What the authority costs, measured. `cargo xtask bench` builds and runs it,
//! and prints what it says; every subcommand answers one line of JSON.
#![expect(clippy::print_stdout, reason = "a program talks on stdout")]
#![expect(clippy::disallowed_methods, reason = "measures real time")]
#![expect(clippy::cast_precision_loss, reason = "figures are printed with a few digits")]

mod cores;
mod engine;
mod http;
mod ledger;
mod memory;
mod sample;
mod start;
mod store;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reserve and commit over six scopes: the ledger alone, then the engine
    Ledger {
        #[arg(long, default_value_t = 5)]
        runs: usize,
    },
    /// Reserve over HTTP against a bare handler that does the least it could
    Http {
        #[arg(long, default_value_t = 5)]
        runs: usize,
    },
    /// The durable store against the memory store, and a ledger of a million
    Store {
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// Open reservations of the large ledger
        #[arg(long, default_value_t = 1_000_000)]
        reservations: usize,
        /// Where the ledgers are made, so that its disk is measured; beside the
        /// program if it is not set
        #[arg(long)]
        directory: Option<PathBuf>,
    },
    /// Memory of an open reservation
    Memory,
    /// From start to ready
    Start {
        /// The program `cycles`
        program: PathBuf,
        #[arg(long, default_value_t = 20)]
        runs: usize,
    },
    /// The server that `http` measures, in a process of its own
    #[command(hide = true)]
    Serve {
        target: http::Target,
        data: Option<PathBuf>,
        /// Microseconds that every transaction waits more than the disk takes
        #[arg(long, default_value_t = 0)]
        slower_by: u64,
    },
    /// What `store` asks of that server, for a profiler to look at
    #[command(hide = true)]
    Load { address: SocketAddr, clients: usize, requests: usize },
}

fn main() -> anyhow::Result<()> {
    let answer = match Arguments::parse().command {
        Command::Ledger { runs } => serde_json::json!({
            "ledger": ledger::measure(runs),
            "engine": engine::measure(runs)?,
        }),
        Command::Http { runs } => serde_json::to_value(http::measure(runs)?)?,
        Command::Store { runs, reservations, directory } => {
            store::measure(runs, reservations, directory.as_deref())?
        }
        Command::Memory => serde_json::to_value(memory::measure()?)?,
        Command::Start { program, runs } => serde_json::to_value(start::measure(&program, runs)?)?,
        Command::Serve { target, data, slower_by } => {
            return http::serve(target, data.as_deref(), Duration::from_micros(slower_by));
        }
        Command::Load { address, clients, requests } => {
            let round = http::load(address, http::Load::Shared, clients, requests)?;
            serde_json::json!({ "per_s": requests as f64 / round.took.as_secs_f64() })
        }
    };
    println!("{answer}");
    Ok(())
}
