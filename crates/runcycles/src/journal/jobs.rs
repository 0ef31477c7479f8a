//! What the journal's thread is asked to do, and the queue that it stands in.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::record::Record;

/// Whether a record is written now, or why it is not.
pub(crate) type Written = Result<(), String>;

/// A record's file name, and what stands in the file.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) name: Arc<str>,
    pub(crate) bytes: Arc<Vec<u8>>,
}

/// One thing to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Write the new records of one spend, at once; into the segment, if that works.
    Put(Vec<Named>, oneshot::Sender<Written>),
    /// Write a record's own file.
    Keep(Named, oneshot::Sender<Written>),
    /// The record is resolved.
    Remove(Arc<str>),
    /// The names of all records, those that a crash left in segments included.
    List(oneshot::Sender<Vec<String>>),
    /// One record, unless it is gone or can never be replayed.
    Load(String, oneshot::Sender<Option<Record>>),
    /// Everything asked for before is done.
    Finish(oneshot::Sender<()>),
    /// Note that unseen work runs; in the segment only.
    Note(Named, oneshot::Sender<Written>),
    /// Everything gets its own file, now and from now on.
    Close(oneshot::Sender<()>),
    /// Another key takes the place of the one that names the directory.
    Move { root: PathBuf, base_url: String, api_key: String },
}

impl Job {
    /// Nobody waits for a removal: it is done with what comes next, in one write
    /// and without waking the thread.
    const fn is_urgent(&self) -> bool {
        !matches!(self, Self::Remove(_))
    }
}

/// Jobs in the order they were asked for.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Job>,
    is_urgent: bool,
    /// Something was written by somebody else, and the thread has to look after it.
    is_to_look: bool,
    thread: Thread,
    /// What was taken last is being done.
    is_working: bool,
    end: End,
}

/// Whether more may be asked for.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum End {
    #[default]
    Open,
    /// Nothing comes any more; what is queued is still done.
    Closed,
    /// Nothing is done any more.
    Ended,
}

/// What the journal's thread is doing, for whoever may have to wake it.
#[derive(Debug, Default, PartialEq)]
enum Thread {
    /// It works, or looks again by itself before long.
    #[default]
    Awake,
    /// It waits for anything at all.
    Sleeps,
    /// It lets jobs gather, and is not to be woken for each of them.
    Gathers,
}

/// What the thread wakes up to.
#[derive(Debug)]
pub(crate) enum Next {
    Batch(Vec<Job>),
    /// Nothing came in time.
    Nothing,
    /// Nothing will come any more.
    Closed,
}

impl Jobs {
    /// Dropped, and with it what it answers to, where the thread has ended.
    pub(crate) fn push(&self, job: Job) {
        let mut queue = self.queue.lock();
        if queue.end == End::Ended {
            return;
        }
        queue.is_urgent |= job.is_urgent();
        queue.waiting.push_back(job);
        let wakes = match queue.thread {
            Thread::Awake => queue.is_urgent,
            Thread::Sleeps => true,
            Thread::Gathers => false,
        };
        if wakes {
            self.changed.notify_one();
        }
    }

    /// The removals that wait, if nothing else does nor is being done, and each `may`
    /// be taken.
    pub(crate) fn take_removals(&self, may: impl Fn(&str) -> bool) -> Option<Vec<Job>> {
        let mut queue = self.queue.lock();
        let all = queue.waiting.iter().all(|job| matches!(job, Job::Remove(name) if may(name)));
        (all && !queue.is_working).then(|| queue.waiting.drain(..).collect())
    }

    /// What was taken last is done: others may take removals again.
    pub(crate) fn done(&self) {
        self.queue.lock().is_working = false;
    }

    /// Has the thread look from time to time, if it sleeps.
    pub(crate) fn look(&self) {
        self.queue.lock().is_to_look = true;
        self.changed.notify_one();
    }

    /// Nothing is done any more, and whoever waits is told so: the thread has ended.
    pub(crate) fn end(&self) {
        let mut queue = self.queue.lock();
        queue.end = End::Ended;
        let never_done = std::mem::take(&mut queue.waiting);
        drop(queue);
        drop(never_done);
    }

    /// What is queued is still done.
    pub(crate) fn close(&self) {
        self.queue.lock().end = End::Closed;
        self.changed.notify_one();
    }

    /// The next jobs, `most` of them at once: `gather` after one is urgent, or after
    /// `patience`, where that has an end.
    pub(crate) fn next(&self, most: usize, patience: Option<Duration>, gather: Duration) -> Next {
        let mut queue = self.queue.lock();
        while !queue.is_urgent && queue.end == End::Open {
            match patience {
                Some(patience) if self.changed.wait_for(&mut queue, patience).timed_out() => break,
                Some(_) => {}
                None if !queue.waiting.is_empty() || queue.is_to_look => break,
                None => {
                    queue.thread = Thread::Sleeps;
                    self.changed.wait(&mut queue);
                    queue.thread = Thread::Awake;
                }
            }
        }
        if queue.waiting.len() < most && !gather.is_zero() && queue.end == End::Open {
            queue.thread = Thread::Gathers;
            self.changed.wait_for(&mut queue, gather);
            queue.thread = Thread::Awake;
        }
        queue.is_to_look = false;
        let count = queue.waiting.len().min(most);
        let batch: Vec<_> = queue.waiting.drain(..count).collect();
        queue.is_urgent = queue.waiting.iter().any(Job::is_urgent);
        queue.is_working = !batch.is_empty();
        match (batch.is_empty(), queue.end != End::Open) {
            (false, _) => Next::Batch(batch),
            (true, false) => Next::Nothing,
            (true, true) => Next::Closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_TIME: Option<Duration> = Some(Duration::ZERO);

    fn next(jobs: &Jobs, most: usize, patience: Option<Duration>) -> Next {
        jobs.next(most, patience, Duration::ZERO)
    }

    fn removal() -> Job {
        Job::Remove("a.json".into())
    }

    fn finish() -> Job {
        Job::Finish(oneshot::channel().0)
    }

    fn count(next: Next) -> usize {
        match next {
            Next::Batch(jobs) => jobs.len(),
            Next::Nothing => 0,
            Next::Closed => usize::MAX,
        }
    }

    #[test]
    fn a_removal_goes_with_what_comes_next() {
        let jobs = Jobs::default();
        jobs.push(removal());
        jobs.push(finish());
        let Next::Batch(batch) = next(&jobs, 9, None) else { panic!("nothing to do") };
        assert!(matches!(batch[..], [Job::Remove(_), Job::Finish(_)]), "{batch:?}");
        assert_eq!(count(next(&jobs, 9, NO_TIME)), 0);
    }

    #[test]
    fn a_removal_alone_is_done_when_the_thread_looks_or_has_nothing_to_look_for() {
        let jobs = Jobs::default();
        jobs.push(removal());
        assert_eq!(count(next(&jobs, 9, NO_TIME)), 1);
        jobs.push(removal());
        assert_eq!(count(next(&jobs, 9, None)), 1);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| count(next(&jobs, 9, None)));
            jobs.push(removal());
            assert_eq!(sleeper.join().ok(), Some(1));
        });
    }

    #[test]
    fn jobs_gather_before_they_are_taken() {
        let jobs = Jobs::default();
        jobs.push(finish());
        std::thread::scope(|scope| {
            let gatherer = scope.spawn(|| count(jobs.next(9, None, Duration::from_millis(100))));
            while jobs.queue.lock().thread != Thread::Gathers {
                std::thread::yield_now();
            }
            jobs.push(finish());
            jobs.push(finish());
            assert_eq!(gatherer.join().ok(), Some(3));
        });
    }

    #[test]
    fn batches_are_bounded_and_what_is_queued_is_done_before_the_end() {
        let jobs = Jobs::default();
        (0..5).for_each(|_| jobs.push(finish()));
        jobs.close();
        assert_eq!([2, 2, 1].map(|_| count(next(&jobs, 2, None))), [2, 2, 1]);
        assert_eq!(count(next(&jobs, 2, None)), usize::MAX);
    }
}
