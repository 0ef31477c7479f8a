//! Work that its caller drives, and that outlives the caller.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Context;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

use crate::client::CyclesClient;

/// Waits for `answer`, and drives the `work` that it comes from. Once the caller
/// goes on or goes away (a cancelled task), what is left of the work runs on its
/// own: a commit whose actual is known must not stop.
pub(super) async fn alongside<T>(
    client: &CyclesClient,
    work: impl Future<Output = ()> + Send + 'static,
    answer: impl Future<Output = T>,
) -> T {
    let in_flight = client.pending().begin();
    let mut work = Outliving::new(Box::pin(async move {
        work.await;
        drop(in_flight);
    }));
    let mut answer = pin!(answer);
    poll_fn(|context| {
        work.poll(context);
        answer.as_mut().poll(context)
    })
    .await
}

/// Work that goes on in the background when it is dropped before its end.
struct Outliving {
    work: Option<BoxFuture<'static, ()>>,
    /// `None` outside of a runtime: there is only an authority in process, whose
    /// first poll is the last.
    runtime: Option<Handle>,
}

impl Outliving {
    fn new(work: BoxFuture<'static, ()>) -> Self {
        Self { work: Some(work), runtime: Handle::try_current().ok() }
    }

    fn poll(&mut self, context: &mut Context<'_>) {
        if let Some(work) = &mut self.work
            && work.as_mut().poll(context).is_ready()
        {
            self.work = None;
        }
    }
}

impl Drop for Outliving {
    fn drop(&mut self) {
        if let (Some(work), Some(runtime)) = (self.work.take(), &self.runtime) {
            runtime.spawn(work);
        }
    }
}
