//! Connections that read: look-ups on the thread that decides, listings on one
//! of their own, since those take long enough to hold others up.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::StoreError;
use crate::schema::open_to_read;

/// Connections for look-ups; more threads than that wait for one another.
const LOOKUPS: usize = 4;

/// Work for the listings' thread.
type Job = Box<dyn FnOnce(&Connection) + Send>;

/// All connections that read.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    lookups: [Mutex<Connection>; LOOKUPS],
    jobs: Option<std::sync::mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let open = || open_to_read(path).map(Mutex::new);
        let lookups = [open()?, open()?, open()?, open()?];
        let listing = open_to_read(path)?;
        let (jobs, queue) = std::sync::mpsc::channel::<Job>();
        let work = move || queue.into_iter().for_each(|job| job(&listing));
        let thread = std::thread::Builder::new().name("cycles-listing".to_owned()).spawn(work);
        let thread = thread.map_err(|source| crate::directory::unusable(path, source))?;
        Ok(Self { path: path.to_owned(), lookups, jobs: Some(jobs), thread: Some(thread) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs a short look-up on this thread.
    pub(crate) fn look_up<T>(&self, look: impl FnOnce(&Connection) -> T) -> T {
        match self.lookups.iter().find_map(Mutex::try_lock) {
            Some(connection) => look(&connection),
            None => look(&self.lookups[0].lock()),
        }
    }

    /// Runs something longer on the listings' thread; `None` when it is gone.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> T + Send + 'static,
    ) -> Option<T> {
        let (done, outcome) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Whoever asked may have gone.
            _ = done.send(work(connection));
        });
        self.jobs.as_ref()?.send(job).ok()?;
        outcome.await.ok()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            _ = thread.join();
        }
    }
}
