//! The background thread of a blocking client, and waiting for it.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};

use futures_util::{Stream, StreamExt};
use tokio::runtime::{Builder, Handle};
use tokio::task::coop;

use crate::error::Error;

/// A runtime with one thread; ends when its last user is dropped.
#[derive(Debug, Clone)]
pub(super) struct Runtime(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Taken on drop.
    tokio: Option<tokio::runtime::Runtime>,
    /// Its thread is in this process; a forked child has none.
    owner: u32,
}

impl Runtime {
    pub(super) fn start() -> Result<Self, Error> {
        let tokio = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("cycles")
            .enable_all()
            .build()
            .map_err(|error| {
                Error::Config(format!("background thread cannot be started reason={error}"))
            })?;
        Ok(Self(Arc::new(Inner { tokio: Some(tokio), owner: cycles_protocol::process::id() })))
    }

    /// Runs `work` so that what it spawns runs here.
    pub(super) fn enter<T>(&self, work: impl FnOnce() -> T) -> T {
        let _entered = self.0.tokio.as_ref().map(tokio::runtime::Runtime::enter);
        work()
    }

    /// Waits on this thread.
    ///
    /// # Errors
    /// [`Error::Config`] inside an async function and in a forked child.
    pub(super) fn wait<F>(&self, work: F) -> Result<F::Output, Error>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if is_polled() {
            return Err(Error::Config(
                "a blocking client was called inside an async function; use CyclesClient there, or tokio::task::spawn_blocking"
                    .to_owned(),
            ));
        }
        self.wait_anywhere(work)
    }

    /// As [`wait`](Self::wait), even where that stops other work.
    pub(super) fn wait_anywhere<F>(&self, work: F) -> Result<F::Output, Error>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let tokio = match &*self.0 {
            Inner { tokio: Some(tokio), owner } if *owner == cycles_protocol::process::id() => {
                tokio
            }
            _ => {
                return Err(Error::Config(
                    "a blocking client was made before this process was forked; make a new one here"
                        .to_owned(),
                ));
            }
        };
        if Handle::try_current().is_err() {
            return Ok(tokio.block_on(work));
        }
        // A thread of somebody else's runtime: `block_on` may panic there.
        let (answer, answered) = mpsc::sync_channel(1);
        tokio.spawn(async move {
            let _ = answer.send(work.await);
        });
        answered
            .recv()
            .map_err(|_| Error::Internal("the background thread dropped a call".to_owned()))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Some(tokio) = self.tokio.take() else { return };
        if self.owner == cycles_protocol::process::id() {
            // Unlike a plain drop, this is allowed inside an async function too.
            tokio.shutdown_background();
        } else {
            // Its thread is not in this process.
            std::mem::forget(tokio);
        }
    }
}

/// Whether this thread is polling a future for tokio just now. Such code has a
/// budget of polls that runs out; code in `spawn_blocking` has none.
fn is_polled() -> bool {
    /// More than tokio gives (128).
    const BUDGET: usize = 512;
    if Handle::try_current().is_err() {
        return false;
    }
    let mut context = Context::from_waker(Waker::noop());
    (0..BUDGET).any(|_| pin!(coop::consume_budget()).poll(&mut context) == Poll::Pending)
}

/// The items of a stream, waited for one by one.
pub(super) struct Items<S> {
    runtime: Runtime,
    /// `None` once it has ended or failed.
    stream: Option<S>,
}

impl<S> Items<S> {
    pub(super) fn new(runtime: Runtime, stream: S) -> Self {
        Self { runtime, stream: Some(stream) }
    }
}

impl<T, S> Iterator for Items<S>
where
    T: Send + 'static,
    S: Stream<Item = Result<T, Error>> + Send + Unpin + 'static,
{
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut stream = self.stream.take()?;
        let next = async move { (stream.next().await, stream) };
        match self.runtime.wait(next) {
            Ok((Some(Ok(item)), stream)) => {
                self.stream = Some(stream);
                Some(Ok(item))
            }
            Ok((item, _)) => item,
            Err(error) => Some(Err(error)),
        }
    }
}
