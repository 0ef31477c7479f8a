//! Kills a server under load, again and again, and compares its ledger with what
//! its clients were told. `cargo xtask crash` builds and runs it.
//!
//! Clients repeat whatever got no answer, with the same key, until they have
//! one; so at the end they know of every reservation and every charge there may be.
#![expect(clippy::print_stdout, reason = "a program talks on stdout")]
#![expect(clippy::disallowed_methods, reason = "real processes live in real time")]

mod client;
mod harness;
mod http;
mod server;
mod truth;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Kill a server so many times, then compare
    Run {
        /// The program `cycles`
        program: PathBuf,
        /// How often
        #[arg(long, default_value_t = 20)]
        kills: u32,
        /// What chance follows
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
    /// One process of clients, until its input ends
    #[command(hide = true)]
    Client { server: SocketAddr, number: u64 },
    /// A server that kills itself at a step of the store's writer
    #[command(hide = true)]
    Serve { directory: PathBuf, listen: SocketAddr, step: server::At, after: u64 },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().role {
        Role::Run { program, kills, seed } => harness::run(&program, kills, seed),
        Role::Client { server, number } => client::run(server, number),
        Role::Serve { directory, listen, step, after } => {
            server::run(&directory, listen, step, after)
        }
    }
}
