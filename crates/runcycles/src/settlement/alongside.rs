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
        // Taken out: work that panics is not polled again.
        if let Some(mut work) = self.work.take()
            && work.as_mut().poll(context).is_pending()
        {
            self.work = Some(work);
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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Poll, Waker};

    use super::*;

    /// Counts its polls, and is over with the third.
    fn work(polls: &Arc<AtomicUsize>, panics: bool) -> Outliving {
        let polls = Arc::clone(polls);
        Outliving::new(Box::pin(poll_fn(move |context| {
            let so_far = polls.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(!panics, "a bug");
            context.waker().wake_by_ref();
            if so_far < 3 { Poll::Pending } else { Poll::Ready(()) }
        })))
    }

    async fn polls_after_the_caller_has_gone(panics: bool) -> usize {
        let polls = Arc::default();
        let mut work = work(&polls, panics);
        let mut context = Context::from_waker(Waker::noop());
        let polled = catch_unwind(AssertUnwindSafe(|| work.poll(&mut context)));
        assert_eq!(polled.is_err(), panics);
        drop(work);
        for _ in 0..9 {
            tokio::task::yield_now().await;
        }
        polls.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn work_outlives_its_caller_unless_it_has_panicked() {
        assert_eq!(polls_after_the_caller_has_gone(false).await, 3);
        assert_eq!(polls_after_the_caller_has_gone(true).await, 1);
    }
}
