//! What the journal's thread does: records are written, changed and removed, a
//! batch at a time.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::Clock;
use tokio::sync::oneshot;

use super::directory::{self, Directory};
use super::health::Health;
use super::jobs::{Job, Named, Written};
use super::segment::{self, Op, Segment};
use super::{JournalSync, note};

/// New records of one spend, and who waits for them.
#[derive(Debug)]
struct Group {
    records: Vec<Named>,
    answer: oneshot::Sender<Written>,
}

/// Where the process's new records go first.
#[derive(Debug)]
pub(super) enum Front {
    Unused,
    Segment(Segment),
    /// The file system cannot do it: records go to their own files.
    Unavailable,
}

/// A record that stands in the segment only.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) since: Duration,
}

/// The thread's state.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) directory: Directory,
    /// Directories to take over from: under another spelling of the server's
    /// address, or of a key that was replaced.
    pub(super) former: Vec<PathBuf>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) health: Arc<Health>,
    pub(super) front: Front,
    pub(super) live: HashMap<Arc<str>, Live>,
}

impl Writer {
    pub(crate) fn new(
        directory: Directory,
        former: Vec<PathBuf>,
        clock: Arc<dyn Clock>,
        health: Arc<Health>,
    ) -> Self {
        let (front, live) = (Front::Unused, HashMap::new());
        Self { directory, former, clock, health, front, live }
    }

    /// Whether to put `records` takes no more than to copy them: nothing is synced, and
    /// the segment is there and has room.
    pub(crate) fn only_copies(&self, records: &[Named]) -> bool {
        let Front::Segment(segment) = &self.front else { return false };
        let ops = records.iter().map(|record| Op::Put(&record.name, &record.bytes));
        self.directory.sync == JournalSync::Process && segment.has_room_for(ops)
    }

    /// New records and removals are done together, in the order they were asked for
    /// where they are of one name.
    pub(super) fn batch(&mut self, jobs: Vec<Job>) {
        let mut new = Vec::new();
        let mut removed = Vec::new();
        for job in jobs {
            match job {
                Job::Put(records, answer) => {
                    if records.iter().any(|record| removed.contains(&record.name)) {
                        self.write(std::mem::take(&mut new), std::mem::take(&mut removed));
                    }
                    new.push(Group { records, answer });
                }
                Job::Remove(name) => removed.push(name),
                other => {
                    self.write(std::mem::take(&mut new), std::mem::take(&mut removed));
                    self.single(other);
                }
            }
        }
        self.write(new, removed);
    }

    fn single(&mut self, job: Job) {
        // An answer that nobody waits for any more is not missed.
        match job {
            Job::Keep(record, answer) => {
                let _ = answer.send(self.keep(&record));
            }
            Job::List(answer) => {
                let _ = answer.send(self.list());
            }
            Job::Load(name, answer) => {
                let _ = answer.send(self.load(&name));
            }
            Job::Note(note, answer) => {
                let _ = answer.send(self.note(note));
            }
            Job::Finish(answer) => {
                let _ = answer.send(());
            }
            Job::Close(answer) => {
                self.close_segment();
                let _ = answer.send(());
            }
            Job::Move { root, base_url, api_key } => {
                self.move_to(directory::path_for(&root, &base_url, &api_key, None));
            }
            Job::Put(..) | Job::Remove(_) => {}
        }
    }

    /// One write, and one sync if there is anything new.
    fn write(&mut self, new: Vec<Group>, removed: Vec<Arc<str>>) {
        if new.is_empty() && removed.is_empty() {
            return;
        }
        let records: Vec<_> = new.iter().flat_map(|group| &group.records).collect();
        let fits = self.append(&records, &removed);
        let since = self.clock.monotonic();
        for Group { records, answer } in new {
            let written = records.into_iter().try_for_each(|record| {
                let written = match &fits {
                    Ok(true) => {
                        let live = Live { bytes: Arc::clone(&record.bytes), since };
                        self.live.insert(Arc::clone(&record.name), live);
                        Ok(())
                    }
                    _ => self.write_file(&record),
                };
                if written.is_ok() {
                    self.health.unresolved(record.name, self.clock.now_ms());
                }
                written
            });
            self.health.report(&written);
            let _ = answer.send(written);
        }
        for name in removed {
            // Not in the segment: then it has a file, unless it was never written.
            if self.live.remove(&name).is_none()
                && let Err(error) = self.directory.remove(&name)
                && self.directory.exists(&name)
            {
                tracing::warn!(%error, file = &*name, "settled record cannot be removed");
                self.health.unresolved(name, self.clock.now_ms());
            }
        }
    }

    /// Whether everything is in the segment now.
    pub(super) fn append(&mut self, new: &[&Named], removed: &[Arc<str>]) -> io::Result<bool> {
        let puts = new.iter().map(|record| Op::Put(&record.name, &record.bytes));
        let in_segment = removed.iter().filter(|name| self.live.contains_key(&***name));
        let ops: Vec<_> = puts.chain(in_segment.map(|name| Op::Remove(name))).collect();
        if ops.is_empty() {
            return Ok(true);
        }
        if matches!(self.front, Front::Unused) {
            self.front = self.open_segment().map_or_else(
                |error| {
                    tracing::debug!(%error, "no journal segment; every record is synced alone");
                    Front::Unavailable
                },
                Front::Segment,
            );
        }
        let Front::Segment(segment) = &mut self.front else { return Ok(false) };
        let live = self.live.iter().map(|(name, live)| Op::Put(name, &live.bytes));
        let appended = segment.append(&ops, live, segment::must_sync(&ops, self.directory.sync));
        if appended.is_err() {
            self.close_segment();
        }
        appended
    }

    fn open_segment(&mut self) -> io::Result<Segment> {
        self.directory.prepare()?;
        let Directory { storage, path, nonce, .. } = &self.directory;
        let file = path.join(format!(
            "{}-{nonce:016x}{}",
            cycles_protocol::process::id(),
            segment::SUFFIX
        ));
        let made = storage.make(&file)?;
        let filled = Segment::fill(made, file.clone());
        if filled.is_err() {
            storage.remove(&file)?;
        }
        self.directory.sync()?;
        filled
    }

    fn keep(&mut self, record: &Named) -> Written {
        let written = self.write_file(record);
        self.health.report(&written);
        if written.is_ok() {
            self.health.unresolved(Arc::clone(&record.name), self.clock.now_ms());
            self.forget(&record.name);
        }
        written
    }

    /// The record has a file now: its place in the segment is void.
    fn forget(&mut self, name: &str) {
        if self.live.remove(name).is_none() {
            return;
        }
        if let Front::Segment(segment) = &mut self.front {
            let live = self.live.iter().map(|(name, live)| Op::Put(name, &live.bytes));
            // Lost, it is read again at the next start and its file wins.
            let _ = segment.append(&[Op::Remove(name)], live, false);
        }
    }

    fn write_file(&mut self, record: &Named) -> Written {
        self.directory
            .put(&record.name, &record.bytes)
            .and_then(|()| self.directory.sync())
            .map_err(|error| {
                format!(
                    "record cannot be written reason={error} directory={}",
                    self.directory.path.display()
                )
            })
    }

    /// Gives records their own files, where every SDK finds them.
    pub(super) fn promote_those_older_than(&mut self, age: Duration) {
        let now = self.clock.monotonic();
        let due: Vec<_> = self
            .live
            .iter()
            .filter(|(name, _)| !note::is_note(name))
            .filter(|(_, live)| now.saturating_sub(live.since) >= age)
            .map(|(name, live)| Named { name: Arc::clone(name), bytes: Arc::clone(&live.bytes) })
            .collect();
        for record in due {
            let written = self.write_file(&record);
            self.health.report(&written);
            if written.is_ok() {
                self.forget(&record.name);
            }
        }
    }

    /// Gives everything in the segment its own file.
    pub(super) fn close_segment(&mut self) {
        self.promote_those_older_than(Duration::ZERO);
        // Without a segment there is nothing to find them in.
        self.live.retain(|name, _| !note::is_note(name));
        if let (Front::Segment(segment), true) = (&self.front, self.live.is_empty()) {
            // Left behind, it is read at the next start and removed then.
            let _ = self.directory.storage.remove(&segment.path);
        }
        self.front = Front::Unavailable;
    }
}
