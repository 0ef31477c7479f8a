//! What the program can do: one file per subcommand.

mod budget;
mod completions;
mod config;
mod data;
mod demo;
mod doctor;
mod explain;
mod key;
mod pages;
mod replay;
mod reservation;
#[cfg(unix)]
mod run;
mod serve;
mod tenant;
mod top;

use clap::{ArgMatches, Subcommand};

use crate::failure::Failure;
use crate::settings::SettingsFile;

/// A subcommand with its arguments.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(serve::Serve),
    Demo(demo::Demo),
    #[cfg(unix)]
    Run(run::Run),
    Doctor(doctor::Doctor),
    Budget(budget::Budget),
    Tenant(tenant::Tenant),
    Key(key::Key),
    Reservation(reservation::Reservation),
    Explain(explain::Explain),
    Backup(data::Backup),
    Verify(data::Verify),
    Export(data::Export),
    Top(top::Top),
    Replay(replay::Replay),
    Config(config::Config),
    Completions(completions::Completions),
}

impl Command {
    /// Does it. `matches` and `file` tell where settings came from.
    pub(crate) fn run(self, matches: &ArgMatches, file: &SettingsFile) -> Result<(), Failure> {
        match self {
            Self::Serve(serve) => serve.run(),
            Self::Demo(demo) => demo.run(),
            #[cfg(unix)]
            Self::Run(run) => run.run(),
            Self::Doctor(doctor) => wait(doctor.run()),
            Self::Budget(budget) => wait(budget.run()),
            Self::Tenant(tenant) => wait(tenant.run()),
            Self::Key(key) => wait(key.run()),
            Self::Reservation(reservation) => wait(reservation.run()),
            Self::Explain(explain) => wait(explain.run()),
            Self::Backup(backup) => backup.run(),
            Self::Verify(verify) => verify.run(),
            Self::Export(export) => export.run(),
            Self::Top(top) => wait(top.run()),
            Self::Replay(replay) => wait(replay.run()),
            Self::Config(config) => config.run(matches, file),
            Self::Completions(completions) => completions.run(),
        }
    }
}

/// Runs a command that asks a server.
fn wait(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(command)
}
