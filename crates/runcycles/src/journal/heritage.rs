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
        self.health.lost(&file);
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
                self.health.unresolved(record.shared_name(), recorded);
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;

    use cycles_protocol::{Action, Amount, ReservationCreateRequest, ReservationId};
    use tokio::sync::oneshot;

    use super::super::JournalSync;
    use super::super::jobs::{Job, Named};
    use super::super::samples::{self, record};
    use super::*;

    fn writer(root: &Path, principal: &str, nonce: u64) -> Writer {
        samples::writer(&root.join(principal), nonce, JournalSync::Process)
    }

    fn note(id: &str) -> Named {
        let request = ReservationCreateRequest::builder()
            .action(Action::new("llm", "m"))
            .estimate(Amount::tokens(5))
            .build();
        let id = ReservationId::new(id);
        let bytes = Arc::new(note::text(&id, &request, 1_000));
        Named { name: note::name(&id).into(), bytes }
    }

    fn put(writer: &mut Writer, named: Named) -> bool {
        let (answer, mut written) = oneshot::channel();
        let is_note = note::is_note(&named.name);
        let job = if is_note { Job::Note(named, answer) } else { Job::Put(vec![named], answer) };
        writer.batch(vec![job]);
        written.try_recv().unwrap().is_ok()
    }

    fn files(root: &Path, principal: &str) -> Vec<String> {
        let entries = fs::read_dir(root.join(principal)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn unseen_work_that_ended_with_its_process_is_reported_and_not_booked() {
        let root = tempfile::tempdir().unwrap();
        let mut killed = writer(root.path(), "p", 1);
        for id in ["offline-running", "offline-ended", "offline-booked"] {
            assert!(put(&mut killed, note(id)));
        }
        // One came to its end and was written down; its removal did not get there.
        assert!(put(&mut killed, record("offline-ended")));
        killed.batch(vec![Job::Remove("offline-booked.running".into())]);
        drop(killed);

        let mut heir = writer(root.path(), "p", 2);
        let booked = record("offline-ended").name.to_string();
        assert_eq!(heir.list(), [&*booked]);
        assert_eq!(files(root.path(), "p"), ["offline-running.lost", &*booked]);
        let lost = fs::read_to_string(root.path().join("p/offline-running.lost")).unwrap();
        assert!(lost.contains("\"estimate\":{\"amount\":5"), "{lost}");
        assert_eq!(heir.health.stats(0).lost, 1);
        heir.list();
        assert_eq!(heir.health.stats(0).lost, 1, "reported once");
    }

    #[test]
    fn a_record_that_is_written_again_outlives_its_removal() {
        let root = tempfile::tempdir().unwrap();
        let mut killed = writer(root.path(), "p", 1);
        assert!(put(&mut killed, record("r1")));
        let again = Job::Put(vec![record("r1")], oneshot::channel().0);
        killed.batch(vec![Job::Remove(record("r1").name), again]);
        drop(killed);
        assert_eq!(writer(root.path(), "p", 2).list(), [record("r1").name.to_string()]);
    }

    #[test]
    fn a_note_is_no_record_and_leaves_room_for_them() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = writer(root.path(), "p", 1);
        for number in 0..note::MAX_NOTES {
            assert!(put(&mut writer, note(&format!("offline-{number}"))));
        }
        assert!(!put(&mut writer, note("offline-more")));
        assert!(put(&mut writer, record("offline-1")));
        let stats = writer.health.stats(0);
        assert_eq!((stats.depth, stats.degraded), (1, None));
        writer.close_segment();
        assert_eq!(files(root.path(), "p"), [&*record("offline-1").name]);
        assert!(!put(&mut writer, note("offline-late")), "there is no segment any more");
    }

    #[test]
    fn records_move_with_the_key_those_of_dead_processes_too() {
        let root = tempfile::tempdir().unwrap();
        let mut killed = writer(root.path(), "old", 1);
        assert!(put(&mut killed, record("r1")));
        drop(killed);
        let mut alive = writer(root.path(), "old", 2);
        assert!(put(&mut alive, record("r2")));
        alive.move_to(root.path().join("new"));
        let mut expected = ["r1", "r2"].map(|id| record(id).name.to_string());
        expected.sort();
        assert_eq!(files(root.path(), "new"), expected);
        assert!(files(root.path(), "old").is_empty());
        // What a process with the old key leaves there later is found as well.
        let mut old = writer(root.path(), "old", 3);
        assert!(put(&mut old, record("r3")));
        old.close_segment();
        assert_eq!(alive.list().len(), 3);
        alive.move_to(root.path().join("old"));
        assert_eq!(alive.list().len(), 3, "and back");
    }
}
