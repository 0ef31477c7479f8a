//! The tokio runtime behind every export, and the one way to block on it.
//!
//! Everything here asks for a [`Python`] token. The interpreter lock is held
//! while a process forks, so state that is only touched under it is never
//! caught half-changed in the child.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

use crate::errors;

/// Threads that drive sockets and timers; Python code never runs on them.
const WORKER_THREADS: usize = 2;

/// How often a blocked call looks for Ctrl-C.
const SIGNAL_TICK: Duration = Duration::from_millis(50);

/// Work that crosses threads on its way to a result.
pub(crate) type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// One process's runtime. A forked child gets a new one; the inherited one is
/// leaked, because its threads do not exist in the child.
pub(crate) struct Era {
    runtime: Runtime,
    settling: watch::Sender<usize>,
}

struct Current {
    /// Differs between a process and its forked children.
    number: u64,
    era: Option<&'static Era>,
}

static CURRENT: Mutex<Current> = Mutex::new(Current { number: 1, era: None });

fn current_state() -> MutexGuard<'static, Current> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The era of this process, built on first use.
pub(crate) fn current(_py: Python<'_>) -> PyResult<&'static Era> {
    let mut state = current_state();
    if let Some(era) = state.era {
        return Ok(era);
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .thread_name("runcycles")
        .enable_all()
        .build()
        .map_err(|error| errors::internal(&format!("cannot start the runtime error={error}")))?;
    let era: &'static Era = Box::leak(Box::new(Era { runtime, settling: watch::Sender::new(0) }));
    state.era = Some(era);
    Ok(era)
}

/// The number of this process's era, without building its runtime.
pub(crate) fn era_number(_py: Python<'_>) -> u64 {
    current_state().number
}

/// The era of this process, if it has begun.
pub(crate) fn begun(_py: Python<'_>) -> Option<&'static Era> {
    current_state().era
}

/// Forgets the parent's runtime; called in a forked child only.
pub(crate) fn forget_parent(_py: Python<'_>) {
    let mut state = current_state();
    state.number += 1;
    state.era = None;
}

impl Era {
    /// Starts work that may be aborted.
    pub(crate) fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::AbortHandle {
        self.runtime.spawn(work).abort_handle()
    }

    /// Starts work that goes on whatever becomes of its waiter, and that
    /// [`Era::settle`] waits for.
    pub(crate) fn spawn_settling(&'static self, work: impl Future<Output = ()> + Send + 'static) {
        let outstanding = Outstanding::new(&self.settling);
        self.runtime.spawn(async move {
            work.await;
            drop(outstanding);
        });
    }

    /// One step of `work` on this thread. An authority in this process answers
    /// in it; everything else has begun, and goes on wherever it is polled next.
    pub(crate) fn step<T: Send>(&self, py: Python<'_>, work: &mut Work<T>) -> Poll<T> {
        py.detach(|| {
            let _inside = self.runtime.enter();
            work.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        })
    }

    /// Waits until no settling work is left, or for `limit`.
    pub(crate) fn settle(&'static self, py: Python<'_>, limit: Duration) {
        py.detach(|| {
            let mut outstanding = self.settling.subscribe();
            self.runtime.block_on(async {
                let _ = tokio::time::timeout(limit, outstanding.wait_for(|left| *left == 0)).await;
            });
        });
    }
}

/// Counts one piece of settling work, also when it panics.
struct Outstanding(&'static watch::Sender<usize>);

impl Outstanding {
    fn new(settling: &'static watch::Sender<usize>) -> Self {
        settling.send_modify(|left| *left += 1);
        Self(settling)
    }
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.0.send_modify(|left| *left -= 1);
    }
}

/// Waits for `work` with the interpreter lock released.
///
/// Ctrl-C ends the wait, not the work: a reserve that is on its way must still
/// be released and a commit must still arrive, so it moves to the runtime.
pub(crate) fn block<T: Send + 'static>(
    py: Python<'_>,
    work: impl Future<Output = T> + Send + 'static,
) -> PyResult<T> {
    let era = current(py)?;
    let mut work: Work<T> = Box::pin(work);
    let waited = py.detach(|| {
        let _inside = era.runtime.enter();
        wait(work.as_mut())
    });
    if waited.is_err() {
        era.spawn_settling(async move {
            work.await;
        });
    }
    waited
}

/// Parks this thread between the steps of `work`. The runtime's own `block_on`
/// would need a timer for each look at signals, and a timer wakes a worker.
#[expect(
    clippy::disallowed_methods,
    reason = "signals come in real time, whatever clock a client has"
)]
fn wait<T>(mut work: Pin<&mut (dyn Future<Output = T> + Send)>) -> PyResult<T> {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut looked = Instant::now();
    loop {
        if let Poll::Ready(value) = work.as_mut().poll(&mut context) {
            return Ok(value);
        }
        std::thread::park_timeout(SIGNAL_TICK);
        if looked.elapsed() >= SIGNAL_TICK {
            check_signals()?;
            looked = Instant::now();
        }
    }
}

/// Wakes a thread that [`wait`]s.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Raises `KeyboardInterrupt` after Ctrl-C, where this is the main thread.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method has one lifetime only")]
fn check_signals() -> PyResult<()> {
    Python::attach(|py| py.check_signals())
}
