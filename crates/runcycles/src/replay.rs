//! Goes on with what the journal holds: when a client starts, on a timer, and
//! when a flush asks for it.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cycles_protocol::{Clock, ErrorKind};
use futures_util::future::{Either, select};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::client::{CyclesClient, Inner};
use crate::journal::Journal;
use crate::metrics;
use crate::spend::Spend;
use crate::verdict::Tried;

/// Records tried at once: an authority that comes back is not run over.
const CONCURRENCY: usize = 4;

/// Longest pause between a reason to replay and the replay: processes that learn
/// of a new key together spread.
const SPREAD: Duration = Duration::from_secs(1);

/// The task that replays on a timer, and when there is a reason to.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// Tagged with the process that runs it.
    task: Mutex<Option<(u32, JoinHandle<()>)>>,
    woken: Arc<Notify>,
}

impl Replay {
    /// Starts, unless it has started in this process or there is no runtime to
    /// run in.
    pub(crate) fn start(&self, client: &CyclesClient) {
        if client.journal().is_none() {
            return;
        }
        let pid = cycles_protocol::process::id();
        let mut slot = self.task.lock();
        let is_over = |task: &JoinHandle<()>| task.is_finished() && client.config().retry_enabled;
        if slot.as_ref().is_some_and(|(owner, task)| *owner == pid && !is_over(task)) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let clock = Arc::clone(client.clock());
        let every = client.config().retry_enabled.then_some(client.config().retry_max_delay);
        let woken = Arc::clone(&self.woken);
        let task = runtime.spawn(keep_up(client.downgrade(), clock, every, woken));
        // A parent's task is leaked: its runtime is not in this process.
        std::mem::forget(slot.replace((pid, task)));
    }

    /// What was refused may be accepted now: everything is tried soon.
    pub(crate) fn wake(&self, client: &CyclesClient) {
        self.woken.notify_one();
        // Without a timer the task is over, and starts once more.
        self.task.lock().take_if(|(_, task)| task.is_finished());
        self.start(client);
    }

    /// Ends the task; what it was trying stays in the journal.
    pub(crate) fn stop(&self) {
        match self.task.lock().take() {
            Some((owner, task)) if owner == cycles_protocol::process::id() => task.abort(),
            inherited => std::mem::forget(inherited),
        }
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn keep_up(
    client: Weak<Inner>,
    clock: Arc<dyn Clock>,
    every: Option<Duration>,
    woken: Arc<Notify>,
) {
    while let Some(inner) = client.upgrade() {
        pass(&CyclesClient::from_shared(inner)).await;
        let Some(every) = every else { return };
        // Between half the pause and the whole: processes that started together spread.
        let pause = every.mul_f64(0.5 + fastrand::f64() / 2.0);
        let timer = clock.sleep_until(clock.monotonic() + pause);
        if let Either::Right(_) = select(timer, pin!(woken.notified())).await {
            clock.sleep_until(clock.monotonic() + SPREAD.mul_f64(fastrand::f64())).await;
        }
    }
}

/// Tries every record once that is due and that nobody in this client settles.
pub(crate) async fn pass(client: &CyclesClient) {
    let Some(journal) = client.journal() else { return };
    metrics::journal_age(journal.base_url(), journal.stats().oldest_age);
    let reachable = &Mutex::new(true);
    let names = journal.names().await;
    client.unseen().forget_what_others_booked(journal);
    stream::iter(names)
        .for_each_concurrent(CONCURRENCY, |name| async move {
            // Nobody there: the rest would only wait for the same.
            if *reachable.lock() && !replay(client, journal, name).await {
                *reachable.lock() = false;
            }
        })
        .await;
}

/// Answers whether it makes sense to go on.
async fn replay(client: &CyclesClient, journal: &Arc<Journal>, name: String) -> bool {
    // A flush waits for it, whoever started it.
    let _in_flight = client.pending().begin();
    let Some(claim) = journal.claim(name.as_str().into()) else { return true };
    let Some(record) = journal.load(name).await else { return true };
    let mut spend = Spend::found(client, Arc::clone(journal), record, claim);
    let id = spend.id().clone();
    if spend.is_early().await {
        return true;
    }
    match spend.attempt().await {
        Tried::Settled(settlement) => {
            spend.note(&settlement, false);
            spend.resolve();
            client.on_settlement().tell(&id, settlement);
            true
        }
        Tried::Unclear(error) => {
            spend.park(&error).await;
            error.kind() != ErrorKind::Unreachable
        }
        Tried::Retained(error) => {
            let retained = spend.retain(error).await;
            client.on_settlement().tell(&id, retained);
            true
        }
    }
}
