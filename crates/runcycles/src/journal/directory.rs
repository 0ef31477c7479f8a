//! The records of one server's principal, a file each.

use std::io;
use std::path::{Path, PathBuf};

use super::quarantine;
use super::record::Record;
use super::storage::{Listed, Storage};
use super::{JournalSync, identity};

/// Temporary files older than this belong to nobody any more.
pub(crate) const ABANDONED_MS: i64 = 3_600_000;
/// Directories that may be ours to make: the journal's, `.runcycles` above it,
/// and the home directory that names it.
const MADE_ABOVE: usize = 3;

/// What stands under a name.
#[derive(Debug)]
pub(crate) enum Loaded {
    Record(Box<Record>),
    /// Settled meanwhile by someone else, or the double of another record.
    Gone,
    /// Renamed, because it can never be replayed.
    Quarantined,
    /// Could not be read this time.
    Unreadable(io::Error),
}

/// The records of one server's principal.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) storage: Box<dyn Storage>,
    pub(crate) path: PathBuf,
    pub(crate) sync: JournalSync,
    /// Tells this client's files from others'.
    pub(crate) nonce: u64,
    /// Tells the temporary files of one client apart.
    written: u64,
    /// Whether the directory's own name is on the medium.
    prepared: bool,
}

impl Directory {
    pub(crate) fn new(
        storage: Box<dyn Storage>,
        path: PathBuf,
        sync: JournalSync,
        nonce: u64,
    ) -> Self {
        Self { storage, path, sync, nonce, written: 0, prepared: false }
    }

    /// Goes on under another path; answers the former one.
    pub(crate) fn move_to(&mut self, path: PathBuf) -> PathBuf {
        self.prepared = false;
        std::mem::replace(&mut self.path, path)
    }

    /// Makes the directory, in a way that outlives a power failure.
    pub(crate) fn prepare(&mut self) -> io::Result<()> {
        self.storage.create_dir(&self.path)?;
        if self.prepared || self.sync == JournalSync::Process {
            return Ok(());
        }
        for above in self.path.ancestors().skip(1).take(MADE_ABOVE) {
            // Not every directory above may be opened; those that may not were there before.
            let _ = self.storage.sync_dir(above);
        }
        self.prepared = true;
        Ok(())
    }

    /// Writes a record's file. Durable after [`sync`](Self::sync).
    pub(crate) fn put(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.prepare()?;
        self.written += 1;
        let owner = format!("{}-{:016x}", cycles_protocol::process::id(), self.nonce);
        let temporary = self.path.join(format!(".{name}.{owner}-{}.tmp", self.written));
        let written = self
            .storage
            .create(&temporary, bytes, self.sync == JournalSync::Power)
            .and_then(|()| self.storage.rename(&temporary, &self.path.join(name)));
        if written.is_err() {
            // The disk may be full: the attempt must not make it fuller.
            let _ = self.storage.remove(&temporary);
        }
        written
    }

    /// Makes the names outlive a power failure, where that is asked for.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match self.sync {
            JournalSync::Power => self.storage.sync_dir(&self.path),
            JournalSync::Process => Ok(()),
        }
    }

    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        self.storage.remove(&self.path.join(name))
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.storage.read(&self.path.join(name)).is_ok()
    }

    /// The names that may be records, in order.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let files = self.storage.list(&self.path)?;
        let mut names: Vec<_> =
            files.into_iter().map(|file| file.name).filter(|name| is_record(name)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Reads a record, quarantining what never can be one and giving its own
    /// name to one that has another.
    pub(crate) fn load(&self, name: &str) -> Loaded {
        let path = self.path.join(name);
        let bytes = match self.storage.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Loaded::Gone,
            Err(error) => return Loaded::Unreadable(error),
        };
        let record = match Record::read(&bytes) {
            Ok(record) => record,
            Err(reason) => return self.quarantine(name, &reason),
        };
        let standard = record.file_name().to_owned();
        if name == standard {
            return Loaded::Record(Box::new(record));
        }
        self.rename_to_standard(name, &standard, record)
    }

    /// Older SDKs named files after the identifier with other characters
    /// replaced, so that two identifiers could share a name. What counts is
    /// whose record it is.
    fn rename_to_standard(&self, name: &str, standard: &str, record: Record) -> Loaded {
        match self.load_standard(standard) {
            Loaded::Gone => {
                match self.storage.rename(&self.path.join(name), &self.path.join(standard)) {
                    Ok(()) => Loaded::Record(Box::new(record)),
                    Err(error) => Loaded::Unreadable(error),
                }
            }
            // The standard file is the newer one; this one is its double.
            Loaded::Record(_) => match self.remove(name) {
                Ok(()) => Loaded::Gone,
                Err(error) => Loaded::Unreadable(error),
            },
            other => other,
        }
    }

    fn load_standard(&self, standard: &str) -> Loaded {
        match self.storage.read(&self.path.join(standard)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Loaded::Gone,
            Err(error) => Loaded::Unreadable(error),
            Ok(bytes) => match Record::read(&bytes) {
                Ok(record) if record.file_name() == standard => Loaded::Record(Box::new(record)),
                Ok(_) => self.quarantine(standard, "the name is another identifier's"),
                Err(reason) => self.quarantine(standard, &reason),
            },
        }
    }

    fn quarantine(&self, name: &str, reason: &str) -> Loaded {
        match quarantine::set_aside(&*self.storage, &self.path, name, reason) {
            Ok(()) => Loaded::Quarantined,
            Err(error) => Loaded::Unreadable(error),
        }
    }

    /// Takes over the records that stand under another spelling of the server's
    /// address, as other SDKs wrote it.
    pub(crate) fn adopt(&mut self, other: &Path) -> io::Result<()> {
        let files = self.storage.list(other)?;
        let mut records = files.iter().filter(|file| is_record(&file.name)).peekable();
        if records.peek().is_none() {
            return Ok(());
        }
        self.prepare()?;
        for Listed { name, .. } in records {
            if !self.exists(name) {
                self.storage.rename(&other.join(name), &self.path.join(name))?;
            }
        }
        self.sync()
    }

    /// Removes temporary files that a crash left behind.
    pub(crate) fn reap(&self, now_ms: i64) -> io::Result<()> {
        for file in self.storage.list(&self.path)? {
            let temporary = has_extension(&file.name, "tmp") || file.name.starts_with(".tmp");
            if temporary && now_ms.saturating_sub(file.modified_ms) > ABANDONED_MS {
                self.remove(&file.name)?;
            }
        }
        Ok(())
    }
}

fn is_record(name: &str) -> bool {
    has_extension(name, "json") && !name.starts_with('.')
}

fn has_extension(name: &str, wanted: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == wanted)
}

/// Where records of a principal of the server at `base_url` stand.
pub(crate) fn path_for(
    root: &Path,
    base_url: &str,
    api_key: &str,
    tenant: Option<&str>,
) -> PathBuf {
    root.join(identity::fingerprint(base_url, api_key, tenant))
}

#[cfg(test)]
mod tests;
