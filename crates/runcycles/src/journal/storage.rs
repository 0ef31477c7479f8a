//! The file system below the journal; tests pass one that fails.

use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// A file in a directory.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) name: String,
    /// When it was last written; milliseconds since the Unix epoch.
    pub(crate) modified_ms: i64,
}

/// What the journal needs of a file system.
pub(crate) trait Storage: Debug + Send {
    /// Makes a directory and those above it, readable by the owner only.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// The files of a directory; none where there is no directory.
    fn list(&self, path: &Path) -> io::Result<Vec<Listed>>;

    /// A whole file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Writes a file that is not there yet, to the medium if `sync`.
    fn create(&self, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()>;

    /// Makes a file that is not there yet, for reading and writing.
    fn make(&self, path: &Path) -> io::Result<File>;

    /// Opens a file for reading and writing.
    fn open(&self, path: &Path) -> io::Result<File>;

    /// Renames, replacing what is there.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes; nothing there is no error.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory outlive a power failure.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
}

/// The machine's file system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Disk;

impl Storage for Disk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry?;
            // Another process may have removed it meanwhile.
            let Ok(metadata) = entry.metadata() else { continue };
            // Names of ours are ASCII.
            let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) else {
                continue;
            };
            let since_epoch = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let modified_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
            files.push(Listed { name, modified_ms });
        }
        Ok(files)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn create(&self, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
        let mut file = private().create_new(true).open(path)?;
        file.write_all(bytes)?;
        if sync { file.sync_all() } else { Ok(()) }
    }

    fn make(&self, path: &Path) -> io::Result<File> {
        private().read(true).create_new(true).open(path)
    }

    fn open(&self, path: &Path) -> io::Result<File> {
        private().read(true).open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        // Elsewhere directories cannot be opened, and need not be.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }
}

/// Readable by the owner only: bodies may hold what the caller put in metadata.
fn private() -> fs::OpenOptions {
    let mut options = File::options();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
