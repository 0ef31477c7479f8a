//! Native work as `asyncio` futures.
//!
//! Tokio threads never touch Python. A finished task puts its completion in
//! its loop's mailbox and, when the mailbox was empty, wakes the loop once;
//! the loop's thread then takes them in batches. Attaching from tokio threads
//! instead crashes the interpreter at exit and costs a wake-up per result.

use std::collections::{HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use futures_util::FutureExt;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;
use tokio::task::AbortHandle;

use crate::errors;
use crate::runtime::{self, Work};
use crate::wakeup::{Waiting, Wakeup};

/// Completions of one turn of a loop: each lets a task run on, and timers and
/// sockets wait for all of a turn's tasks.
const AT_ONCE: usize = 8;

/// Turns a task's value into a Python object, on the loop's thread.
type Completion = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// Where work begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// On the caller's thread: an authority in this process answers at once, and
    /// a thread's attention would cost more than its answer.
    Here,
    /// On the runtime's threads: there is a network to wait for.
    Elsewhere,
}

/// What happens to the work when the awaiting side is cancelled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnCancel {
    /// The work stops: nothing depends on its end.
    Abort,
    /// The work goes on: money is on its way (begin, commit, release).
    GoOn,
}

/// Where tokio threads leave completions for one event loop.
struct Mailbox {
    completions: Mutex<VecDeque<(u64, Completion)>>,
    wakeup: Wakeup,
}

impl Mailbox {
    fn put(&self, id: u64, completion: Completion) {
        let was_empty = {
            let mut completions = lock(&self.completions);
            completions.push_back((id, completion));
            completions.len() == 1
        };
        if was_empty {
            self.wakeup.wake();
        }
    }

    /// What one turn of the loop completes; wakes it for the rest.
    fn take(&self) -> VecDeque<(u64, Completion)> {
        let mut completions = lock(&self.completions);
        let at_once = AT_ONCE.min(completions.len());
        let rest = completions.split_off(at_once);
        let taken = std::mem::replace(&mut *completions, rest);
        let is_empty = completions.is_empty();
        drop(completions);
        if !is_empty {
            self.wakeup.wake();
        }
        taken
    }

    /// Drops what nobody will take any more.
    fn clear(&self) {
        let left = std::mem::take(&mut *lock(&self.completions));
        drop(left);
    }
}

struct Pending {
    future: Py<PyAny>,
    abort: Option<AbortHandle>,
    /// Tells work that goes on that nobody will take its value.
    abandoned: Arc<AtomicBool>,
}

/// The bridge of one event loop.
#[pyclass(frozen, module = "runcycles._native")]
struct Bridge {
    event_loop: Py<PyAny>,
    mailbox: Arc<Mailbox>,
    waiting: Waiting,
    pending: Mutex<HashMap<u64, Pending>>,
    next_id: AtomicU64,
}

#[pymethods]
impl Bridge {
    /// Resolves every future whose work has ended; runs on the loop's thread.
    fn _drain(&self, py: Python<'_>) -> PyResult<()> {
        errors::caught(|| {
            self.waiting.acknowledge();
            let mut outcome = Ok(());
            for (id, completion) in self.mailbox.take() {
                let resolved = self.resolve(py, id, completion);
                outcome = outcome.and(resolved);
            }
            outcome
        })
    }
}

impl Bridge {
    fn resolve(&self, py: Python<'_>, id: u64, completion: Completion) -> PyResult<()> {
        // Cancelled where there is none; see `forget`.
        let Some(pending) = lock(&self.pending).remove(&id) else { return Ok(()) };
        let future = pending.future.bind(py);
        let value = errors::caught(|| completion(py));
        if future.call_method0(intern!(py, "done"))?.is_truthy()? {
            return Ok(());
        }
        resolve(future, value)
    }

    fn forget(&self, id: u64) {
        let Some(pending) = lock(&self.pending).remove(&id) else { return };
        pending.abandoned.store(true, Ordering::Release);
        if let Some(abort) = pending.abort {
            abort.abort();
        }
    }
}

/// The done-callback of one future: passes a cancellation on.
#[pyclass(frozen, module = "runcycles._native")]
struct Waiter {
    bridge: Py<Bridge>,
    id: u64,
}

#[pymethods]
impl Waiter {
    fn __call__(&self, _future: &Bound<'_, PyAny>) -> PyResult<()> {
        errors::caught(|| {
            self.bridge.get().forget(self.id);
            Ok(())
        })
    }
}

/// Starts `work` and returns a future of the running loop that `convert`
/// completes. Must be called on the loop's thread.
pub(crate) fn spawn<T: Send + 'static>(
    py: Python<'_>,
    begin: Begin,
    on_cancel: OnCancel,
    work: impl Future<Output = T> + Send + 'static,
    convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Bound<'_, PyAny>> {
    let mut work: Work<T> = Box::pin(work);
    if begin == Begin::Here {
        let event_loop = running_loop(py)?;
        if let Poll::Ready(value) = runtime::current(py)?.step(py, &mut work) {
            return resolved(&event_loop, convert(py, value));
        }
    }
    spawn_task(py, on_cancel, work, convert)
}

/// A future of `event_loop` that has ended with `value`.
fn resolved<'py>(
    event_loop: &Bound<'py, PyAny>,
    value: PyResult<Py<PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = event_loop.py();
    let future = event_loop.call_method0(intern!(py, "create_future"))?;
    resolve(&future, value)?;
    Ok(future)
}

fn resolve(future: &Bound<'_, PyAny>, value: PyResult<Py<PyAny>>) -> PyResult<()> {
    let py = future.py();
    match value {
        Ok(value) => future.call_method1(intern!(py, "set_result"), (value,))?,
        Err(error) => future.call_method1(intern!(py, "set_exception"), (error.into_value(py),))?,
    };
    Ok(())
}

fn spawn_task<T: Send + 'static>(
    py: Python<'_>,
    on_cancel: OnCancel,
    work: Work<T>,
    convert: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
) -> PyResult<Bound<'_, PyAny>> {
    let bridge = of_running_loop(py)?;
    let this = bridge.get();
    let future = this.event_loop.bind(py).call_method0(intern!(py, "create_future"))?;
    let id = this.next_id.fetch_add(1, Ordering::Relaxed);
    let waiter = Waiter { bridge: bridge.clone().unbind(), id };
    future.call_method1(intern!(py, "add_done_callback"), (waiter,))?;

    let mailbox = Arc::clone(&this.mailbox);
    let abandoned = Arc::new(AtomicBool::new(false));
    let nobody_waits = Arc::clone(&abandoned);
    let task = async move {
        let worked = AssertUnwindSafe(work).catch_unwind().await;
        if nobody_waits.load(Ordering::Acquire) {
            // An unsettled guard among the values is released as it drops.
            return;
        }
        let completion: Completion = match worked {
            Ok(value) => Box::new(move |py| convert(py, value)),
            Err(panic) => Box::new(move |_py| Err(errors::panicked(panic.as_ref()))),
        };
        mailbox.put(id, completion);
    };
    let era = runtime::current(py)?;
    // The lock is held until the entry stands, and `_drain` needs this thread:
    // no completion can arrive before its future is known.
    let mut pending = lock(&this.pending);
    let abort = match on_cancel {
        OnCancel::Abort => Some(era.spawn(task)),
        OnCancel::GoOn => {
            era.spawn_settling(task);
            None
        }
    };
    pending.insert(id, Pending { future: future.clone().unbind(), abort, abandoned });
    Ok(future)
}

/// Bridges by the address of their loop. An entry keeps its loop alive, so an
/// address is never reused while it is in here.
static BRIDGES: Mutex<Option<HashMap<usize, Py<Bridge>>>> = Mutex::new(None);

static GET_RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let get_running_loop = GET_RUNNING_LOOP.get_or_try_init(py, || {
        py.import("asyncio")?.getattr("get_running_loop").map(Bound::unbind)
    })?;
    get_running_loop.bind(py).call0()
}

fn of_running_loop(py: Python<'_>) -> PyResult<Bound<'_, Bridge>> {
    let event_loop = running_loop(py)?;
    let address = event_loop.as_ptr() as usize;
    if let Some(bridge) = lock(&BRIDGES).as_ref().and_then(|bridges| bridges.get(&address)) {
        return Ok(bridge.bind(py).clone());
    }
    forget_closed_loops(py)?;
    let bridge = open(py, &event_loop)?;
    lock(&BRIDGES).get_or_insert_default().insert(address, bridge.clone().unbind());
    Ok(bridge)
}

fn open<'py>(py: Python<'py>, event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Bridge>> {
    let (wakeup, waiting) = Wakeup::for_loop(event_loop)?;
    let bridge = Bound::new(
        py,
        Bridge {
            event_loop: event_loop.clone().unbind(),
            mailbox: Arc::new(Mailbox { completions: Mutex::default(), wakeup }),
            waiting,
            pending: Mutex::default(),
            next_id: AtomicU64::new(0),
        },
    )?;
    let drain = bridge.getattr("_drain")?;
    bridge.get().waiting.attach(event_loop, &drain)?;
    Ok(bridge)
}

/// Drops the bridges of loops that have ended (`asyncio.run` closes its own).
fn forget_closed_loops(py: Python<'_>) -> PyResult<()> {
    let known: Vec<(usize, Py<Bridge>)> = match lock(&BRIDGES).as_ref() {
        Some(bridges) => bridges.iter().map(|(at, bridge)| (*at, bridge.clone_ref(py))).collect(),
        None => return Ok(()),
    };
    for (address, bridge) in known {
        let event_loop = bridge.get().event_loop.bind(py);
        if event_loop.call_method0(intern!(py, "is_closed"))?.is_truthy()? {
            let closed = lock(&BRIDGES).as_mut().and_then(|bridges| bridges.remove(&address));
            bridge.get().mailbox.clear();
            bridge.get().waiting.shutdown(py, &bridge.get().mailbox.wakeup);
            drop(closed);
        }
    }
    Ok(())
}

/// Leaks the parent's bridges; called in a forked child only. Their loops
/// belong to threads that do not exist here.
pub(crate) fn forget_parent(_py: Python<'_>) {
    std::mem::forget(lock(&BRIDGES).take());
}

/// Ends the wake-up threads, where there are any; called at exit.
pub(crate) fn shutdown(py: Python<'_>) {
    let bridges = lock(&BRIDGES).take().unwrap_or_default();
    for bridge in bridges.values() {
        bridge.get().waiting.shutdown(py, &bridge.get().mailbox.wakeup);
    }
}

/// Numbers for tests: how many loops have a bridge, how many futures wait, and
/// how many of those only for their loop.
pub(crate) fn statistics(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let (mut loops, mut waiting, mut arrived) = (0, 0, 0);
    for bridge in lock(&BRIDGES).iter().flat_map(HashMap::values) {
        let bridge = bridge.get();
        loops += 1;
        waiting += lock(&bridge.pending).len();
        arrived += lock(&bridge.mailbox.completions).len();
    }
    let numbers = PyDict::new(py);
    numbers.set_item("loops", loops)?;
    numbers.set_item("waiting", waiting)?;
    numbers.set_item("arrived", arrived)?;
    Ok(numbers)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
