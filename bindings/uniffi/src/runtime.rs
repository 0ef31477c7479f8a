//! The one runtime that everything asynchronous of this library runs on.
//!
//! uniffi futures are polled by the foreign side, on its threads, which know no
//! tokio. uniffi's own answer is a runtime with a single thread for the whole
//! process; heartbeats and connections of all clients would share it. So there
//! is one here with several, entered for each poll and never across an await.

use std::future::{Future, poll_fn};
use std::sync::LazyLock;
use std::task::Poll;

use runcycles::ErrorReport;
use tokio::runtime::{Builder, EnterGuard, Runtime};

use crate::error::NativeError;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .thread_name("cycles-native")
        .enable_all()
        .build()
        .expect("the operating system gives threads")
});

/// Lets the calling thread start tasks and timers until the guard is dropped.
pub(crate) fn enter() -> EnterGuard<'static> {
    RUNTIME.enter()
}

/// Waits for `work` on the calling thread, which must be a foreign one.
pub(crate) fn block<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.block_on(work)
}

/// Runs `work` to its end, whatever becomes of the future that is returned: a
/// foreign cancellation drops only who waits for it.
///
/// The first poll runs on the calling thread, since in process it is the last
/// one too, and a change of threads costs more than the call.
pub(crate) async fn detached<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, NativeError> {
    let mut work = Box::pin(work);
    let first = poll_fn(|context| {
        let _entered = enter();
        Poll::Ready(work.as_mut().poll(context))
    });
    match first.await {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => RUNTIME.spawn(work).await.map_err(|failed| {
            let panic = failed.into_panic();
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("the native core panicked");
            ErrorReport::internal(message).into()
        }),
    }
}
