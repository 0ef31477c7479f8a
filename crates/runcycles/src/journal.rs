//! The settlement journal: spends that are known and not booked for certain,
//! on disk before the first request leaves (`docs/recovery.md`).
//!
//! [`identity`] names directories and files, [`record`] is what stands in a
//! file, [`directory`] and [`quarantine`] keep the files, [`segment`] makes many
//! records durable at once, and [`writer`] does the [`jobs`], on a [`thread`].

mod directory;
mod health;
mod heritage;
mod identity;
mod jobs;
mod note;
mod quarantine;
mod record;
#[cfg(test)]
mod samples;
mod segment;
mod storage;
mod thread;
mod writer;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use cycles_protocol::{Clock, Random, ReservationCreateRequest, ReservationId};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::config::CyclesConfig;
use crate::notifications::Notifications;
use directory::Directory;
use health::Health;
use jobs::{Job, Named, Written};
use thread::Thread;
use writer::Writer;

pub use health::JournalStats;
pub(crate) use record::{Mode, Record, key_of};

/// What a journalled record survives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JournalSync {
    /// A power failure: records are on the medium before the commit leaves.
    #[default]
    Power,
    /// The end of the process, however it ends; not of the machine.
    Process,
}

impl JournalSync {
    /// Reads `power` or `process`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "power" => Some(Self::Power),
            "process" => Some(Self::Process),
            _ => None,
        }
    }
}

/// One client's journal. The thread starts with the first use.
#[derive(Debug)]
pub(crate) struct Journal {
    config: CyclesConfig,
    /// Where the server is, in the one spelling of it.
    base_url: String,
    /// The key that names the directory where no tenant does.
    api_key: Mutex<String>,
    sync: JournalSync,
    clock: Arc<dyn Clock>,
    nonce: u64,
    health: Arc<Health>,
    /// Tagged with the process that started it: a forked child has no thread.
    thread: Mutex<Option<(u32, Arc<Thread>)>>,
    /// Names of the records that are being settled by this client.
    claims: Mutex<HashSet<Arc<str>>>,
}

/// A record that nobody else in this client settles meanwhile.
#[derive(Debug)]
pub(crate) struct Claim {
    journal: Arc<Journal>,
    name: Arc<str>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.journal.claims.lock().remove(&self.name);
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some((owner, thread)) = self.thread.get_mut()
            && *owner == cycles_protocol::process::id()
        {
            thread.close();
        }
    }
}

impl Journal {
    /// The journal that `config` asks for, if it does.
    pub(crate) fn new(
        config: &CyclesConfig,
        sync: JournalSync,
        clock: &Arc<dyn Clock>,
        random: &dyn Random,
        notifications: &Notifications,
    ) -> Option<Arc<Self>> {
        let mut nonce = [0; 8];
        random.fill(&mut nonce);
        config.journal_enabled.then(|| {
            Arc::new(Self {
                config: config.clone(),
                base_url: identity::normalised(&config.base_url),
                api_key: Mutex::new(config.api_key.clone()),
                sync,
                clock: Arc::clone(clock),
                nonce: u64::from_le_bytes(nonce),
                health: Arc::new(Health::new(notifications)),
                thread: Mutex::default(),
                claims: Mutex::default(),
            })
        })
    }

    /// Where the server is, in the one spelling of it.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Writes the new records of one spend at once; durable on return.
    pub(crate) async fn put(&self, records: &[Record]) -> Written {
        let named = records.iter().map(named).collect::<Result<_, _>>()?;
        self.written(|answer| Job::Put(named, answer)).await
    }

    /// Writes the record's own file: it is kept for later, or changed.
    pub(crate) async fn keep(&self, record: &Record) -> Written {
        let named = named(record)?;
        self.written(|answer| Job::Keep(named, answer)).await
    }

    async fn written(&self, job: impl FnOnce(oneshot::Sender<Written>) -> Job) -> Written {
        self.ask(job).await.unwrap_or_else(|problem| {
            let failed = Err(problem);
            self.health.report(&failed);
            failed
        })
    }

    /// The record is resolved; done in the background.
    pub(crate) fn remove(&self, record: &Record) {
        self.health.resolved(record.file_name());
        if let Ok(thread) = self.thread() {
            thread.give(Job::Remove(record.shared_name()));
        }
    }

    /// Notes that work which was allowed unseen runs, as far as there is room.
    pub(crate) async fn note(&self, id: &ReservationId, request: &ReservationCreateRequest) {
        let bytes = Arc::new(note::text(id, request, self.clock.now_ms()));
        let named = Named { name: note::name(id).into(), bytes };
        let noted = self.ask(|answer| Job::Note(named, answer)).await;
        if let Ok(Err(reason)) | Err(reason) = noted {
            tracing::warn!(reservation_id = %id, reason, "unseen work is not noted on disk");
        }
    }

    /// The work has ended, and its cost is written down.
    pub(crate) fn erase_note(&self, id: &ReservationId) {
        if let Ok(thread) = self.thread() {
            thread.give(Job::Remove(note::name(id).into()));
        }
    }

    /// Names of all records on disk.
    pub(crate) async fn names(&self) -> Vec<String> {
        self.ask(Job::List).await.unwrap_or_default()
    }

    /// The record of that name, unless it is gone or can never be replayed.
    pub(crate) async fn load(&self, name: String) -> Option<Record> {
        self.ask(|answer| Job::Load(name, answer)).await.ok().flatten()
    }

    /// Waits until everything asked for before is done.
    pub(crate) async fn finish(&self) {
        let _ = self.ask(Job::Finish).await;
    }

    /// Gives everything its own file, where every SDK finds it, and no longer
    /// keeps a segment.
    pub(crate) async fn close(&self) {
        // A journal that nobody used needs no thread to be closed.
        if self.is_started() {
            let _ = self.ask(Job::Close).await;
        }
    }

    fn is_started(&self) -> bool {
        self.thread
            .lock()
            .as_ref()
            .is_some_and(|(owner, _)| *owner == cycles_protocol::process::id())
    }

    /// Another key of the same principal. Where no tenant is configured, the
    /// records move to the key's directory, so that its next client finds them.
    pub(crate) fn set_api_key(&self, api_key: &str) {
        if self.config.tenant.as_ref().is_some_and(|tenant| !tenant.trim().is_empty()) {
            return;
        }
        // Started with the former key, it knows where to move from.
        if let (Ok(thread), Ok(root)) = (self.thread(), self.root()) {
            let (base_url, api_key) = (self.base_url.clone(), api_key.to_owned());
            thread.give(Job::Move { root, base_url, api_key });
        }
        api_key.clone_into(&mut self.api_key.lock());
    }

    pub(crate) fn stats(&self) -> JournalStats {
        self.health.stats(self.clock.now_ms())
    }

    /// Unresolved records that this client is not settling at the moment.
    pub(crate) fn idle(&self) -> usize {
        let claims = self.claims.lock();
        self.health.idle(|name| claims.contains(name))
    }

    /// Whether the record of `id` is unresolved, as far as this client has seen.
    pub(crate) fn holds(&self, id: &ReservationId) -> bool {
        self.health.holds(&identity::file_name(id.as_str()))
    }

    /// The right to settle a record, unless somebody has it.
    pub(crate) fn claim(self: &Arc<Self>, name: Arc<str>) -> Option<Claim> {
        let fresh = self.claims.lock().insert(Arc::clone(&name));
        fresh.then(|| Claim { journal: Arc::clone(self), name })
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, String> {
        let (answer, answered) = oneshot::channel();
        self.thread()?.give(job(answer));
        answered.await.map_err(|_| "the journal's thread has ended".to_owned())
    }

    fn thread(&self) -> Result<Arc<Thread>, String> {
        let pid = cycles_protocol::process::id();
        let mut slot = self.thread.lock();
        match &*slot {
            Some((owner, thread)) if *owner == pid => Ok(Arc::clone(thread)),
            _ => {
                let thread = self.start()?;
                // A parent's queue is leaked: its thread is not here.
                std::mem::forget(slot.replace((pid, Arc::clone(&thread))));
                Ok(thread)
            }
        }
    }

    fn start(&self) -> Result<Arc<Thread>, String> {
        let root = self.root()?;
        let (config, clock) = (self.config.clone(), Arc::clone(&self.clock));
        let (health, nonce, sync) = (Arc::clone(&self.health), self.nonce, self.sync);
        let api_key = self.api_key.lock().clone();
        let thread = Arc::new(Thread::default());
        let started = Arc::clone(&thread);
        let work = move || {
            let CyclesConfig { base_url, tenant, .. } = &config;
            let path =
                |spelling: &str| directory::path_for(&root, spelling, &api_key, tenant.as_deref());
            let normalised = identity::normalised(base_url);
            let other: Vec<_> =
                (normalised != *base_url).then(|| path(base_url)).into_iter().collect();
            let disk = Box::new(storage::Disk);
            let directory = Directory::new(disk, path(&normalised), sync, nonce);
            started.run(Writer::new(directory, other, clock, health));
        };
        std::thread::Builder::new()
            .name("cycles-journal".to_owned())
            .spawn(work)
            .map_err(|error| format!("the journal's thread cannot be started reason={error}"))?;
        Ok(thread)
    }

    fn root(&self) -> Result<PathBuf, String> {
        if let Some(root) = &self.config.journal_dir {
            return Ok(root.clone());
        }
        let home = std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
        let home = home.ok_or("there is no home directory; set journal_dir")?;
        Ok(home.join(".runcycles").join("commit-journal"))
    }
}

fn named(record: &Record) -> Result<Named, String> {
    Ok(Named { name: record.shared_name(), bytes: Arc::new(record.write()?) })
}
