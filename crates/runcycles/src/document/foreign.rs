//! The one runtime of packages whose language brings none that knows tokio.
//!
//! Their futures are polled by the foreign side, on its threads, or waited for
//! there. There is one runtime for all clients of the process, with several
//! threads, entered for each poll and never across an await.

use std::future::{Future, poll_fn};
use std::sync::LazyLock;
use std::task::Poll;

use tokio::runtime::{Builder, EnterGuard, Runtime};
use tokio::task::JoinHandle;

use crate::error::ErrorReport;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .thread_name("cycles-native")
        .enable_all()
        .build()
        .expect("the operating system gives threads")
});

/// Lets the calling thread start tasks and timers until the guard is dropped.
pub fn enter() -> EnterGuard<'static> {
    RUNTIME.enter()
}

/// Waits for `work` on the calling thread, which must be a foreign one.
pub fn block<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.block_on(work)
}

/// Runs `work` on the runtime's threads.
pub fn spawn<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    RUNTIME.spawn(work)
}

/// Runs `work` to its end, whatever becomes of the future that is returned: a
/// foreign cancellation drops only who waits for it.
///
/// The first poll runs on the calling thread, since in process it is the last
/// one too, and a change of threads costs more than the call.
///
/// # Errors
/// Kind `Internal` when `work` panics.
pub async fn detached<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, ErrorReport> {
    let mut work = Box::pin(work);
    let first = poll_fn(|context| {
        let _entered = enter();
        Poll::Ready(work.as_mut().poll(context))
    });
    match first.await {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => {
            spawn(work).await.map_err(|failed| ErrorReport::panicked(&*failed.into_panic()))
        }
    }
}
