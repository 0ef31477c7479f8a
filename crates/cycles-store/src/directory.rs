//! The data directory: which files it has, and that one process has it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::StoreError;

/// The ledger itself.
pub(crate) const LEDGER: &str = "ledger.db";
/// What SQLite has written and not yet put in its place.
pub(crate) const LOG: &str = "ledger.db-wal";
/// Checksums of the ledger's pages.
pub(crate) const SUMS: &str = "ledger.sums";
/// How many transactions were answered.
pub(crate) const ANSWERED: &str = "ledger.answered";
/// Locked by the process that serves; holds its id.
const LOCK: &str = "cycles.lock";

/// A directory that this process, and no other, has.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    /// Locked for as long as it is open.
    _lock: File,
}

impl Directory {
    /// Takes the directory, and makes it where there is none.
    pub(crate) fn take(path: &Path) -> Result<Self, StoreError> {
        let made = make(path);
        made.map_err(|source| unusable(path, source))?;
        refuse_foreign(path)?;
        let file = path.join(LOCK);
        let mut lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&file)
            .map_err(|source| unusable(&file, source))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse { path: path.to_owned(), pid: pid(&mut lock) });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(&file, source)),
        }
        note_pid(&mut lock).map_err(|source| unusable(&file, source))?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// The ledger of a directory that some process may have.
pub(crate) fn ledger_of(path: &Path) -> Result<PathBuf, StoreError> {
    let ledger = path.join(LEDGER);
    match fs::metadata(&ledger) {
        Ok(_) => Ok(ledger),
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            Err(StoreError::Missing { path: path.to_owned() })
        }
        Err(source) => Err(unusable(&ledger, source)),
    }
}

fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    // What agents spend is nobody else's business.
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A directory with files but without a ledger is somebody else's.
fn refuse_foreign(path: &Path) -> Result<(), StoreError> {
    let entries = fs::read_dir(path).map_err(|source| unusable(path, source))?;
    let mut found = None;
    for entry in entries {
        let entry = entry.map_err(|source| unusable(path, source))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        match name.as_str() {
            LEDGER => return Ok(()),
            // A disk's own directory, where a whole disk is mounted there.
            LOCK | "lost+found" => {}
            _ => found = Some(name),
        }
    }
    match found {
        Some(found) => Err(StoreError::Foreign { path: path.to_owned(), found }),
        None => Ok(()),
    }
}

pub(crate) fn unusable(path: &Path, source: io::Error) -> StoreError {
    let advice = match source.kind() {
        io::ErrorKind::PermissionDenied => {
            "give this user the right to write there, or choose another directory"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file stands where the directory should be; choose another directory"
        }
        io::ErrorKind::StorageFull => "free some space",
        io::ErrorKind::ReadOnlyFilesystem => "choose a directory on a disk that can be written",
        _ => "check the path",
    };
    StoreError::Directory { path: path.to_owned(), source, advice }
}

fn note_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    write!(lock, "{}", std::process::id())
}

fn pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
