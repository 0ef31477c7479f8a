//! [`backup`]: a copy of a ledger, while it is served.

use std::fs::File;
use std::path::Path;

use crate::StoreError;
use crate::directory::{ledger_of, unusable};
use crate::error::InFile;
use crate::schema::open_to_read;
use crate::sqlite::check_whole;

/// Writes a copy of the ledger in `directory` to `file`, as it was at one moment:
/// everything that was answered before, and nothing in part. A server may go on
/// meanwhile. The copy is one file, checked and on disk when this returns; to
/// restore it, put it into an empty directory as `ledger.db`.
///
/// # Errors
/// [`StoreError`]; where `file` exists already, which is never written over.
pub fn backup(directory: &Path, file: &Path) -> Result<(), StoreError> {
    let ledger = ledger_of(directory)?;
    // Made here and now, so that nothing of anybody's is written over.
    drop(
        File::options()
            .write(true)
            .create_new(true)
            .open(file)
            .map_err(|source| refused(file, source))?,
    );
    let copied = copy(&ledger, file);
    if copied.is_err() {
        // Half a copy would look like a whole one.
        _ = std::fs::remove_file(file);
    }
    copied
}

fn copy(ledger: &Path, file: &Path) -> Result<(), StoreError> {
    let source = open_to_read(ledger)?;
    let text = file.to_str().ok_or_else(|| {
        refused(file, std::io::Error::new(std::io::ErrorKind::InvalidInput, "path is not UTF-8"))
    })?;
    // It takes an empty file for a new one.
    source.execute("VACUUM INTO ?", [text]).in_file(file)?;
    let copy = open_to_read(file)?;
    check_whole(&copy, file)?;
    File::open(file).and_then(|file| file.sync_all()).map_err(|source| unusable(file, source))
}

fn refused(file: &Path, source: std::io::Error) -> StoreError {
    if source.kind() == std::io::ErrorKind::AlreadyExists {
        let advice = "choose a name that no file has; backups are never written over";
        return StoreError::Directory { path: file.to_owned(), source, advice };
    }
    unusable(file, source)
}
