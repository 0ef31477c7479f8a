//! What others left behind: records under another name of the directory, and
//! in the segments of processes that are gone.

use std::io;
use std::path::PathBuf;

use super::directory::{self, Loaded};
use super::note;
use super::record::Record;
use super::segment;
use super::storage::Listed;
use super::writer::{Front, Writer};

/// Former directories that are looked into.
const MAX_FORMER: usize = 8;

impl Writer {
    /// The records are another key's from now on: they move with it.
    pub(super) fn move_to(&mut self, path: PathBuf) {
        if path == self.directory.path {
            return;
        }
        // What processes that are gone left in segments here gets files, too.
        self.list();
        self.close_segment();
        let former = self.directory.move_to(path);
        self.former.retain(|known| *known != former && *known != self.directory.path);
        self.former.push(former);
        if self.former.len() > MAX_FORMER {
            self.former.remove(0);
        }
        self.front = Front::Unused;
        self.list();
    }

    pub(super) fn list(&mut self) -> Vec<String> {
        let listed = self.take_over().and_then(|()| self.directory.names());
        match listed {
            Ok(names) => {
                let now = self.clock.now_ms();
                self.health.listed(&names, now, |name| self.live.contains_key(name));
                names
            }
            Err(error) => {
                tracing::warn!(%error, directory = %self.directory.path.display(), "settlement journal cannot be read");
                Vec::new()
            }
        }
    }

    /// Brings everything that others left behind into the standard files.
    fn take_over(&mut self) -> io::Result<()> {
        for other in self.former.clone() {
            self.directory.adopt(&other)?;
        }
        self.directory.reap(self.clock.now_ms())?;
        for file in self.directory.storage.list(&self.directory.path)? {
            if file.name.ends_with(segment::SUFFIX) {
                self.take_over_segment(&file)?;
            }
        }
        Ok(())
    }

    fn take_over_segment(&mut self, listed: &Listed) -> io::Result<()> {
        let path = self.directory.path.join(&listed.name);
        if matches!(&self.front, Front::Segment(own) if own.path == path) {
            return Ok(());
        }
        let mut file = match self.directory.storage.open(&path) {
            // Another heir was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        // A process locks its segment before it fills it, and counts on it only
        // when it is full: until then it is left alone.
        let age = self.clock.now_ms().saturating_sub(listed.modified_ms);
        let is_being_made = !segment::is_full(&file)? && age < directory::ABANDONED_MS;
        // A process that lives keeps its segment locked.
        if is_being_made || file.try_lock().is_err() {
            return Ok(());
        }
        let unresolved = segment::unresolved(&mut file)?;
        for (name, bytes) in &unresolved {
            if note::is_note(name) {
                // Its end is written down, if only its removal was lost.
                let record = note::record_name(name);
                if !unresolved.contains_key(&record) && !self.directory.exists(&record) {
                    self.lose(name, bytes)?;
                }
            } else if !self.directory.exists(name) {
                self.directory.put(name, bytes)?;
            }
        }
        self.directory.sync()?;
        self.directory.storage.remove(&path)
    }

    /// Unseen work ended with its process, and nobody knows what it cost.
    fn lose(&mut self, note: &str, bytes: &[u8]) -> io::Result<()> {
        let file = note::lost_name(note);
        self.directory.put(&file, bytes)?;
        self.health.lost();
        tracing::error!(
            file,
            work = %String::from_utf8_lossy(bytes),
            "work that was allowed while the authority was unreachable ended with its process; its cost is unknown and not booked"
        );
        Ok(())
    }

    pub(super) fn load(&mut self, name: &str) -> Option<Record> {
        match self.directory.load(name) {
            Loaded::Record(record) => {
                let recorded = record.recorded_at_ms.unwrap_or_else(|| self.clock.now_ms());
                self.health.resolved(name);
                self.health.unresolved(record.file_name(), recorded);
                return Some(*record);
            }
            Loaded::Gone => self.health.resolved(name),
            Loaded::Quarantined => self.health.quarantined(name),
            Loaded::Unreadable(error) => {
                tracing::warn!(%error, file = name, "settlement record cannot be read now; it is kept");
            }
        }
        None
    }
}
