//! Putting SQLite's log in its place, with the checksums; and how many
//! transactions were answered.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use rusqlite::hooks::Wal;
use rusqlite::{Connection, Error, Result};

use crate::log;
use crate::steps::{Observer, Step};
use crate::sums::Sums;

/// The files beside the ledger, and when they are written.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    /// Pages in the log from which it is put in its place.
    pages: u32,
    log: PathBuf,
    sums: Sums,
    /// Survives a process that is killed, not a power cut: it is never waited for.
    answered: File,
    batch: u64,
    /// Pages in the log after the last commit.
    in_log: Arc<AtomicI32>,
}

impl Checkpoints {
    /// Of `connection`, the one that writes.
    pub(crate) fn new(
        connection: &mut Connection,
        pages: u32,
        log: PathBuf,
        sums: Sums,
        answered: File,
        batch: u64,
    ) -> Result<Self> {
        let in_log = Arc::new(AtomicI32::new(0));
        let seen = Arc::clone(&in_log);
        connection.wal_hook(Some(move |_: &mut Wal, pages: c_int| {
            seen.store(pages, Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self { pages, log, sums, answered, batch, in_log })
    }

    /// Notes that the batch that was just committed is answered from now on.
    pub(crate) fn answered(&mut self, is_empty: bool) {
        if !is_empty {
            self.batch += 1;
            // Only makes a damage known; the ledger is whole without it.
            _ = self.answered.write_all_at(&self.batch.to_le_bytes(), 0);
        }
    }

    /// Puts the log in its place once it is long.
    pub(crate) fn after_batch(
        &self,
        connection: &Connection,
        observer: Option<&Observer>,
    ) -> Result<()> {
        if self.in_log.load(Ordering::Relaxed).unsigned_abs() < self.pages {
            return Ok(());
        }
        self.run(connection, observer)
    }

    /// Puts the log in its place, whatever its length.
    pub(crate) fn run(&self, connection: &Connection, observer: Option<&Observer>) -> Result<()> {
        let observe = |step| observer.iter().for_each(|observer| observer(step));
        let pages = log::pages(&self.log).map_err(failed)?;
        observe(Step::Checkpointing);
        // Waits for nobody: what readers still need stays in the log.
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        observe(Step::Checkpointed);
        self.sums.update(&pages, self.batch).map_err(failed)
    }

    /// Makes the checksums of everything anew; the log must be in its place.
    pub(crate) fn rebuild(&self) -> Result<()> {
        self.sums.rebuild(self.batch).map_err(failed)
    }

    /// Leaves no log behind, at the end.
    pub(crate) fn last(&self, connection: &Connection) -> Result<()> {
        self.run(connection, None)?;
        // Nothing is left to be put in its place, so the checksums stay true.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }
}

fn failed(error: io::Error) -> Error {
    Error::ToSqlConversionFailure(error.into())
}
