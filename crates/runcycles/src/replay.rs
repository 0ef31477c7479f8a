//! Goes on with what the journal holds: when a client starts, on a timer, and
//! when a flush asks for it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use cycles_protocol::{Clock, ErrorKind};
use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::client::{CyclesClient, Inner};
use crate::journal::Journal;
use crate::settlement::Settlement;
use crate::spend::{Spend, Tried};

/// Records tried at once: an authority that comes back is not run over.
const CONCURRENCY: usize = 4;

/// The task that replays on a timer, tagged with the process that runs it.
#[derive(Debug, Default)]
pub(crate) struct Replay(Mutex<Option<(u32, JoinHandle<()>)>>);

impl Replay {
    /// Starts, unless it runs already or there is no runtime to run in.
    pub(crate) fn start(&self, client: &CyclesClient) {
        if client.journal().is_none() {
            return;
        }
        let pid = std::process::id();
        let mut slot = self.0.lock();
        if slot.as_ref().is_some_and(|(owner, task)| *owner == pid && !task.is_finished()) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let clock = Arc::clone(client.clock());
        let every = client.config().retry_enabled.then_some(client.config().retry_max_delay);
        let task = runtime.spawn(keep_up(client.downgrade(), clock, every));
        // A parent's task is leaked: its runtime is not in this process.
        std::mem::forget(slot.replace((pid, task)));
    }
}

impl Drop for Replay {
    fn drop(&mut self) {
        match self.0.get_mut().take() {
            Some((owner, task)) if owner == std::process::id() => task.abort(),
            inherited => std::mem::forget(inherited),
        }
    }
}

async fn keep_up(client: Weak<Inner>, clock: Arc<dyn Clock>, every: Option<Duration>) {
    while let Some(inner) = client.upgrade() {
        pass(&CyclesClient::from_shared(inner)).await;
        let Some(every) = every else { return };
        // Between half the pause and the whole: processes that started together spread.
        let pause = every.mul_f64(0.5 + fastrand::f64() / 2.0);
        clock.sleep_until(clock.monotonic() + pause).await;
    }
}

/// Tries every record once that is due and that nobody in this client settles.
pub(crate) async fn pass(client: &CyclesClient) {
    let Some(journal) = client.journal() else { return };
    let reachable = &Mutex::new(true);
    stream::iter(journal.names().await)
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
    let Some(claim) = journal.claim(name.clone()) else { return true };
    let Some(record) = journal.load(name).await else { return true };
    let mut spend = Spend::found(client, Arc::clone(journal), record, claim);
    if spend.is_early().await {
        return true;
    }
    match spend.attempt().await {
        Tried::Settled(settlement) => {
            if let Settlement::Refused(error) = &settlement {
                spend.warn(error, "settlement was refused; the spend is not booked");
            }
            spend.resolve();
            true
        }
        Tried::Unclear(error) => {
            spend.park(&error).await;
            error.kind() != ErrorKind::Unreachable
        }
        Tried::Retained(error) => {
            spend.retain(error).await;
            true
        }
    }
}
