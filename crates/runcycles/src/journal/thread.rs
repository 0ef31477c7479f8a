//! The thread that does the journal's I/O, and who may do without it. Whoever waits
//! for a record to be written waits for the batch that it is in.

use std::time::Duration;

use parking_lot::Mutex;

use super::jobs::{Job, Jobs, Next};
use super::writer::Writer;

/// Records written at once.
const MAX_BATCH: usize = 512;
/// How long a record may stand in the segment only (decision "Journal": one
/// second), less the longest pause between looks.
const PROMOTE_AFTER: Duration = Duration::from_millis(700);
/// Pauses between looks while the segment holds something: the first after a new
/// record, doubled up to the longest. A removal waits for the next look, unless
/// there is something to write before.
const FIRST_LOOK: Duration = Duration::from_millis(4);
const LONGEST_LOOK: Duration = Duration::from_millis(256);

/// Where this many records are being settled, new ones are written together with
/// those of the next moment: a wake-up, a write and a sync for each would take the
/// processor from those who settle. Fewer are written at once.
const MANY: usize = 8;
const GATHER: Duration = Duration::from_micros(200);

/// The thread's queue and state, for whoever gives it work.
#[derive(Debug, Default)]
pub(super) struct Thread {
    jobs: Jobs,
    /// `None` until the thread has begun. Whoever asks never waits for it: the thread
    /// holds it while it syncs.
    writer: Mutex<Option<Writer>>,
}

impl Thread {
    /// Works until the last client is gone.
    pub(super) fn run(&self, writer: Writer) {
        let _ending = Ending(self);
        *self.writer.lock() = Some(writer);
        let mut pause = FIRST_LOOK;
        loop {
            let live = self.writer.lock().as_ref().map_or(0, |writer| writer.live.len());
            let patience = (live > 0).then_some(pause);
            let gather = if live < MANY { Duration::ZERO } else { GATHER };
            let next = self.jobs.next(MAX_BATCH, patience, gather);
            let mut writer = self.writer.lock();
            let Some(writer) = writer.as_mut() else { return };
            pause = match &next {
                Next::Nothing if patience.is_some() => (2 * pause).min(LONGEST_LOOK),
                _ => FIRST_LOOK,
            };
            match next {
                Next::Batch(batch) => writer.batch(batch),
                Next::Nothing => {}
                Next::Closed => return writer.close_segment(),
            }
            writer.promote_those_older_than(PROMOTE_AFTER);
            self.jobs.done();
        }
    }

    /// Does the job, or queues it.
    pub(super) fn give(&self, job: Job) {
        if let Some(job) = self.at_once(job) {
            self.jobs.push(job);
        }
    }

    /// What is queued is still done.
    pub(super) fn close(&self) {
        self.jobs.close();
    }

    /// To copy a record, and to void those that are settled, takes less than two changes
    /// of threads (ADR 13). Answers the job where it takes more than that.
    fn at_once(&self, job: Job) -> Option<Job> {
        let Job::Put(records, _) = &job else { return Some(job) };
        let Some(mut writer) = self.writer.try_lock() else { return Some(job) };
        let Some(writer) = writer.as_mut().filter(|writer| writer.only_copies(records)) else {
            return Some(job);
        };
        // What has a file is removed by the thread, in the order it was asked for.
        let removals = self.jobs.take_removals(|name| writer.live.contains_key(name));
        let Some(mut batch) = removals else { return Some(job) };
        let was_idle = writer.live.is_empty();
        batch.push(job);
        writer.batch(batch);
        if was_idle {
            self.jobs.look();
        }
        None
    }
}

/// With the thread ends what it holds: nobody waits in vain for one that panicked.
struct Ending<'a>(&'a Thread);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        *self.0.writer.lock() = None;
        self.0.jobs.end();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use cycles_protocol::{Clock, SystemClock};
    use cycles_testkit::ManualClock;
    use tokio::sync::oneshot::{self, Receiver};

    use super::super::JournalSync;
    use super::super::jobs::{Named, Written};
    use super::super::samples::{self, record};
    use super::*;

    fn put(named: Named) -> (Job, Receiver<Written>) {
        let (answer, written) = oneshot::channel();
        (Job::Put(vec![named], answer), written)
    }

    /// A thread that does not run, whose segment is there.
    fn standing(path: &Path, sync: JournalSync) -> Thread {
        let mut writer = samples::writer(path, 1, sync);
        writer.batch(vec![put(record("first")).0]);
        Thread { jobs: Jobs::default(), writer: Mutex::new(Some(writer)) }
    }

    fn give(thread: &Thread, named: Named) -> Receiver<Written> {
        let (job, written) = put(named);
        thread.give(job);
        written
    }

    fn live(thread: &Thread) -> Vec<Arc<str>> {
        let writer = thread.writer.lock();
        let mut names: Vec<_> = writer.as_ref().unwrap().live.keys().cloned().collect();
        names.sort();
        names
    }

    fn names(ids: &[&str]) -> Vec<Arc<str>> {
        let mut names: Vec<_> = ids.iter().map(|id| record(id).name).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_only_copied_is_written_by_who_asks_with_the_removals_that_wait() {
        let root = tempfile::tempdir().unwrap();
        let thread = standing(root.path(), JournalSync::Process);
        assert_eq!(give(&thread, record("second")).try_recv(), Ok(Ok(())));
        thread.give(Job::Remove(record("first").name));
        assert_eq!(live(&thread), names(&["first", "second"]), "nobody waits for it");
        assert_eq!(give(&thread, record("third")).try_recv(), Ok(Ok(())));
        assert_eq!(live(&thread), names(&["second", "third"]));
        drop(thread);
        let mut heir = samples::writer(root.path(), 2, JournalSync::Process);
        assert_eq!(
            heir.list(),
            names(&["second", "third"]).iter().map(|it| &**it).collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_waits_for_the_disk_is_the_threads() {
        let root = tempfile::tempdir().unwrap();
        let synced = standing(root.path(), JournalSync::Power);
        assert!(give(&synced, record("second")).try_recv().is_err());

        let other = tempfile::tempdir().unwrap();
        let held = standing(other.path(), JournalSync::Process);
        let busy = held.writer.lock();
        assert!(give(&held, record("second")).try_recv().is_err(), "it is busy");
        drop(busy);
        assert!(give(&held, record("third")).try_recv().is_err(), "one after the other");
    }

    #[test]
    fn a_removal_comes_before_what_was_asked_for_after_it() {
        let root = tempfile::tempdir().unwrap();
        let thread = standing(root.path(), JournalSync::Process);
        let (keep, kept) = oneshot::channel();
        let filed = Job::Keep(record("first"), keep);
        thread.writer.lock().as_mut().unwrap().batch(vec![filed]);
        assert!(kept.blocking_recv().unwrap().is_ok());
        thread.give(Job::Remove(record("first").name));
        let again = give(&thread, record("first"));
        let waiting = thread.jobs.next(MAX_BATCH, None, Duration::ZERO);
        let Next::Batch(waiting) = waiting else { panic!("nothing waits") };
        thread.writer.lock().as_mut().unwrap().batch(waiting);
        thread.jobs.done();
        assert!(again.blocking_recv().unwrap().is_ok());
        assert_eq!(live(&thread), names(&["first"]));
        assert!(!root.path().join(&*record("first").name).exists());

        thread.give(Job::Remove(record("first").name));
        assert_eq!(give(&thread, record("first")).try_recv(), Ok(Ok(())), "nor is it one's own");
        assert_eq!(live(&thread), names(&["first"]));
    }

    #[test]
    fn nothing_overtakes_what_the_thread_has_taken() {
        let root = tempfile::tempdir().unwrap();
        let thread = standing(root.path(), JournalSync::Process);
        thread.give(Job::Remove(record("first").name));
        let next = || match thread.jobs.next(MAX_BATCH, None, Duration::ZERO) {
            Next::Batch(batch) => batch,
            _ => panic!("nothing waits"),
        };
        let removal = next();
        let mut again = give(&thread, record("first"));
        assert!(again.try_recv().is_err(), "after the removal");
        thread.writer.lock().as_mut().unwrap().batch(removal);
        let put = next();
        thread.writer.lock().as_mut().unwrap().batch(put);
        assert_eq!(again.try_recv(), Ok(Ok(())));
        assert_eq!(live(&thread), names(&["first"]));
    }

    #[test]
    fn nobody_waits_for_a_thread_that_has_ended() {
        let root = tempfile::tempdir().unwrap();
        let thread = Thread::default();
        let (finish, before) = oneshot::channel();
        thread.give(Job::Finish(finish));
        drop(Ending(&thread));
        assert!(before.blocking_recv().is_err());
        *thread.writer.lock() = Some(samples::writer(root.path(), 1, JournalSync::Process));
        assert!(give(&thread, record("first")).blocking_recv().is_err());
    }

    #[test]
    fn a_thread_that_slept_gives_an_old_record_its_file() {
        let root = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::default());
        let writer = samples::on_clock(root.path(), 1, JournalSync::Process, &clock);
        let thread = Thread::default();
        std::thread::scope(|scope| {
            scope.spawn(|| thread.run(writer));
            assert!(give(&thread, record("first")).blocking_recv().unwrap().is_ok());
            thread.give(Job::Remove(record("first").name));
            let (finish, finished) = oneshot::channel();
            thread.give(Job::Finish(finish));
            assert!(finished.blocking_recv().is_ok(), "nothing is left, so that it sleeps");
            assert!(give(&thread, record("second")).blocking_recv().unwrap().is_ok());
            clock.advance(PROMOTE_AFTER);
            let file = root.path().join(&*record("second").name);
            let real = SystemClock::new();
            let deadline = real.monotonic() + Duration::from_secs(10);
            while !file.exists() && real.monotonic() < deadline {
                std::thread::yield_now();
            }
            let is_filed = file.exists();
            thread.close();
            assert!(is_filed);
        });
    }
}
