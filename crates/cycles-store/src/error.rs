//! [`StoreError`]: why a data directory cannot be used, naming it and the fix.

use std::path::{Path, PathBuf};

/// Why a data directory cannot be used. Every message names the path and what
/// to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory cannot be made, opened or written.
    #[error("data directory cannot be used: {source}; {advice} path={}", path.display())]
    Directory {
        /// Which file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// Another process has it.
    #[error("data directory is in use by another process{}; stop that one first, or choose another directory path={}", of(*.pid), path.display())]
    InUse {
        /// Which directory.
        path: PathBuf,
        /// Which process, where it is known.
        pid: Option<u32>,
    },
    /// It holds something else.
    #[error("directory holds other files and no ledger; choose an empty or a new one path={} found={found}", path.display())]
    Foreign {
        /// Which directory.
        path: PathBuf,
        /// One of the files.
        found: String,
    },
    /// The file is no ledger of ours.
    #[error("file is not a Cycles ledger: {why}; choose another directory, or put a backup in its place path={}", path.display())]
    NotALedger {
        /// Which file.
        path: PathBuf,
        /// What it is instead.
        why: String,
    },
    /// There is none.
    #[error("no ledger there; name the directory that `cycles serve --data` was given path={}", path.display())]
    Missing {
        /// Which directory.
        path: PathBuf,
    },
    /// It was written by a newer version.
    #[error("ledger was written by a newer version of Cycles; start that version, or restore a backup made before it path={} schema={found} newest_known={known}", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// It was written by an older version, and whoever only reads it cannot bring it
    /// forward.
    #[error("ledger was written by an older version of Cycles; `cycles serve --data` brings it forward path={} schema={found} newest_known={known}", path.display())]
    Older {
        /// Which file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// Its content is not what was written.
    #[error("ledger is damaged: {what}; keep a copy of the directory and restore a backup (docs/storage.md) path={}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// SQLite said no.
    #[error("ledger cannot be used: {source}{} path={}", advice(source), path.display())]
    Sqlite {
        /// Which file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

fn of(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

/// What to do about an error of SQLite's.
pub(crate) fn advice(error: &rusqlite::Error) -> &'static str {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "; free some space and restart",
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "; the file is damaged: keep a copy and restore a backup"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            "; give this user the right to write the directory and the files in it"
        }
        Some(ErrorCode::SystemIoFailure) => "; check the disk, then restart",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "; another program has the file open for writing: close it and restart"
        }
        _ => "",
    }
}

/// Whether there was no space. SQLite says so before it has written the end of a
/// transaction, so nothing of that one is kept.
pub(crate) fn is_for_lack_of_space(error: &rusqlite::Error) -> bool {
    match error {
        // The files beside the ledger.
        rusqlite::Error::ToSqlConversionFailure(error) => {
            let source = error.downcast_ref::<std::io::Error>();
            source.is_some_and(|it| it.kind() == std::io::ErrorKind::StorageFull)
        }
        error => error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull),
    }
}

/// Names the file that SQLite could not use.
pub(crate) trait InFile<T> {
    fn in_file(self, path: &Path) -> Result<T, StoreError>;
}

impl<T> InFile<T> for rusqlite::Result<T> {
    fn in_file(self, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => StoreError::NotALedger {
                path: path.to_owned(),
                why: "it is no SQLite file".to_owned(),
            },
            Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
                StoreError::Damaged { path: path.to_owned(), what: source.to_string() }
            }
            _ => StoreError::Sqlite { path: path.to_owned(), source },
        })
    }
}
