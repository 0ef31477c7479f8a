//! `cycles backup`, `verify` and `export`: what can be done with a data
//! directory, whether it is served or not.

use std::io::{self, BufWriter};
use std::path::PathBuf;

use clap::Args;
use cycles_store::{ExportError, StoreError};
use serde_json::json;

use crate::failure::Failure;
use crate::output::Format;

const CODES: &str = "Exit codes: 0 done, 1 failed or damaged, 2 wrong arguments or directory.";

/// Copy a data directory's ledger to a file, while it is served or not.
///
/// The copy is the ledger as it was at one moment, whole, checked and on disk
/// when the command ends. To restore it, put it into an empty directory as
/// ledger.db and serve that one.
#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub(crate) struct Backup {
    /// The directory that `cycles serve --data` was given.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Where to write the copy; never written over.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Check every rule over a data directory, while it is served or not.
///
/// Checks that the files are what was written, that every row can be read, that
/// budgets hold what their open reservations hold, and that no key was used twice.
#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub(crate) struct Verify {
    /// The directory that `cycles serve --data` was given.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Write JSON, for programs.
    #[arg(long)]
    json: bool,
}

/// Write a data directory as JSON lines, while it is served or not.
///
/// Each line has a type: tenant, budget, policy, key, reservation, answer or
/// audit. All lines are of one moment. Secrets are not in the ledger, so none is
/// written.
#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub(crate) struct Export {
    /// The directory that `cycles serve --data` was given.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Backup {
    pub(crate) fn run(self) -> Result<(), Failure> {
        cycles_store::backup(&self.directory, &self.file).map_err(failure)
    }
}

impl Verify {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let found = cycles_store::verify(&self.directory).map_err(failure)?;
        let value = json!({
            "sound": found.problems.is_empty(),
            "tenants": found.tenants,
            "budgets": found.budgets,
            "reservations": found.reservations,
            "open": found.open,
            "problems": found.problems,
        });
        let format = if self.json { Format::Json } else { Format::Text };
        format.write(&value, |_| {
            let mut text = format!(
                "{} tenants, {} budgets, {} reservations, {} of them open\n",
                found.tenants, found.budgets, found.reservations, found.open
            );
            if found.problems.is_empty() {
                text.push_str("sound\n");
            }
            for problem in &found.problems {
                text.extend(["problem: ", &crate::output::printable(problem), "\n"]);
            }
            text
        })?;
        if found.problems.is_empty() {
            return Ok(());
        }
        let problems = found.problems.len();
        Err(Failure::Runtime(format!(
            "the ledger breaks its rules; keep a copy of the directory and restore a backup (docs/storage.md) problems={problems} path={}",
            self.directory.display()
        )))
    }
}

impl Export {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout().lock());
        match cycles_store::export(&self.directory, &mut out) {
            // Whoever reads may stop reading, as `head` does.
            Err(ExportError::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(ExportError::Write(error)) => Err(error.into()),
            Err(ExportError::Store(error)) => Err(failure(error)),
            Ok(()) => Ok(()),
        }
    }
}

/// A directory that is wrong is a usage; one that is broken is not.
#[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
pub(crate) fn failure(error: StoreError) -> Failure {
    match error {
        StoreError::Sqlite { .. } | StoreError::Damaged { .. } => {
            Failure::Runtime(error.to_string())
        }
        _ => Failure::Usage(error.to_string()),
    }
}
