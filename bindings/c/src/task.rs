//! What has to wait: started here, waited for or told of on the caller's side.

use std::ffi::{c_char, c_void};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::{Condvar, Mutex};
use runcycles::ErrorReport;
use runcycles::document::foreign;
use tokio::task::AbortHandle;

use crate::failure::{free, give_handle, handle, told};
use crate::text::give;

type Outcome = Result<String, ErrorReport>;

/// Called once, on any thread. It must not block, nor call this library with the
/// task that has ended: it hands on that there is a result.
pub type Done = extern "C" fn(user_data: *mut c_void);

/// Something that is under way.
#[derive(Debug)]
pub struct Task {
    shared: Arc<Shared>,
    /// `None` where it was done at once.
    abort: Option<AbortHandle>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ended: bool,
    /// Until it is taken.
    outcome: Option<Outcome>,
    tell: Option<Listener>,
}

#[derive(Debug)]
struct Listener {
    done: Done,
    user_data: *mut c_void,
}

// SAFETY: the caller promises that `done` may be called with it on any thread.
unsafe impl Send for Listener {}

impl Shared {
    fn end(&self, outcome: Outcome) {
        let mut state = self.state.lock();
        state.ended = true;
        state.outcome = Some(outcome);
        self.ended.notify_all();
        // Under the lock: once the task is freed, nobody is called any more.
        if let Some(Listener { done, user_data }) = state.tell.take() {
            done(user_data);
        }
    }
}

/// Starts `work`, or answers with a task that has failed.
pub(crate) fn start<F>(work: Result<F, ErrorReport>) -> *mut Task
where
    F: Future<Output = Outcome> + Send + 'static,
{
    let shared = Arc::<Shared>::default();
    let work = match work {
        Ok(work) => work,
        Err(report) => {
            shared.end(Err(report));
            return give_handle(Task { shared, abort: None });
        }
    };
    let work = AssertUnwindSafe(work).catch_unwind();
    let mut work =
        Box::pin(work.map(|done| done.unwrap_or_else(|panic| Err(ErrorReport::panicked(&*panic)))));
    let abort = match first_poll(work.as_mut()) {
        Poll::Ready(outcome) => {
            shared.end(outcome);
            None
        }
        Poll::Pending => {
            let ending = Arc::clone(&shared);
            Some(foreign::spawn(async move { ending.end(work.await) }).abort_handle())
        }
    };
    give_handle(Task { shared, abort })
}

/// On the calling thread: in process it is the last one too, and a change of
/// threads costs more than the call.
fn first_poll<T>(work: Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    let _entered = foreign::enter();
    work.poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits until `task` has ended, at most `timeout_ms` milliseconds, or as long as
/// it takes where that is negative. Answers whether it has.
///
/// # Safety
/// `task` is NULL or a task that is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_task_wait(task: *const Task, timeout_ms: i64) -> bool {
    // SAFETY: as the caller promises.
    let Some(task) = (unsafe { task.as_ref() }) else { return true };
    let mut state = task.shared.state.lock();
    let Ok(timeout) = u64::try_from(timeout_ms).map(Duration::from_millis) else {
        task.shared.ended.wait_while(&mut state, |state| !state.ended);
        return true;
    };
    task.shared.ended.wait_while_for(&mut state, |state| !state.ended, timeout);
    state.ended
}

/// Calls `done` with `user_data` once, when `task` has ended: on this thread
/// where it has already, else on one of the library's. Replaces who was to be
/// called before. Once the task is freed nobody is called any more.
///
/// # Safety
/// `task` is NULL or a task that is not freed; `done` may be called with
/// `user_data` on any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_task_notify(task: *const Task, done: Done, user_data: *mut c_void) {
    // SAFETY: as the caller promises.
    let Some(task) = (unsafe { task.as_ref() }) else { return done(user_data) };
    let mut state = task.shared.state.lock();
    if state.ended {
        drop(state);
        done(user_data);
    } else {
        state.tell = Some(Listener { done, user_data });
    }
}

/// What `task` has come to, once: JSON text, or NULL and an error. Waits for it.
///
/// # Safety
/// `task` is NULL or a task that is not freed; `error` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_task_result(
    task: *const Task,
    error: *mut *mut c_char,
) -> *mut c_char {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            let task = handle("task", task)?;
            let mut state = task.shared.state.lock();
            task.shared.ended.wait_while(&mut state, |state| !state.ended);
            let outcome = state.outcome.take();
            outcome.unwrap_or_else(|| Err(taken())).map(give)
        })
    }
}

fn taken() -> ErrorReport {
    cycles_protocol::Error::invalid("the task's result was taken before").into()
}

/// Frees `task`; where it has not ended it is cancelled. A hold that was being
/// taken is given back; a settlement goes on to its end all the same.
///
/// # Safety
/// `task` is NULL or a task that is not freed, which nobody uses any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_task_free(task: *mut Task) {
    // SAFETY: as the caller promises.
    unsafe {
        if let Some(task) = task.as_ref() {
            task.shared.state.lock().tell = None;
            if let Some(abort) = &task.abort {
                abort.abort();
            }
        }
        free(task);
    }
}
