//! Counts what an authority answered, so that a test can wait for it instead
//! of sleeping.

use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::authority::Answered;
use cycles_protocol::{
    Answer, Authority, BoxFuture, Call, Error, Operation, RawRequest, RawResponse,
};
use tokio::sync::watch;

use crate::wrapper::wraps;

/// One number for each operation.
pub(crate) type Counts = [usize; Operation::ALL.len()];

/// An authority that counts its successful answers.
#[derive(Debug, Clone)]
pub struct Recorder {
    inner: Arc<dyn Authority>,
    counts: Arc<watch::Sender<Counts>>,
}

impl Recorder {
    /// Counts the answers of `inner`.
    #[must_use]
    pub fn new(inner: Arc<dyn Authority>) -> Self {
        Self { inner, counts: Arc::new(watch::Sender::new(Counts::default())) }
    }

    /// The same counts before another authority over the same state.
    #[must_use]
    pub fn around(&self, inner: Arc<dyn Authority>) -> Self {
        Self { inner, counts: Arc::clone(&self.counts) }
    }

    /// How often `operation` was answered successfully.
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        self.counts.borrow()[operation as usize]
    }

    /// Waits until `operation` was answered successfully `count` times, at most
    /// `timeout` of real time; answers whether it came to that.
    pub async fn wait_for(&self, operation: Operation, count: usize, timeout: Duration) -> bool {
        let mut counts = self.counts.subscribe();
        let reached = counts.wait_for(|counts| counts[operation as usize] >= count);
        tokio::time::timeout(timeout, reached).await.is_ok_and(|reached| reached.is_ok())
    }

    async fn answered<T>(
        &self,
        _: &Call,
        operation: Operation,
        answer: Answered<'_, T>,
    ) -> Result<Answer<T>, Error> {
        let answer = answer.await?;
        self.counts.send_modify(|counts| counts[operation as usize] += 1);
        Ok(answer)
    }
}

/// A client's side of a connection: knows which answers are still under way.
///
/// A test that waits for an answer and then moves the clock must not overtake the
/// client that is about to read the clock.
#[derive(Debug, Clone)]
pub(crate) struct ClientSide {
    inner: Arc<dyn Authority>,
    under_way: Arc<watch::Sender<Counts>>,
}

impl ClientSide {
    pub(crate) fn new(inner: Arc<dyn Authority>, under_way: &Arc<watch::Sender<Counts>>) -> Self {
        Self { inner, under_way: Arc::clone(under_way) }
    }

    async fn answered<T>(
        &self,
        _: &Call,
        operation: Operation,
        answer: Answered<'_, T>,
    ) -> Result<Answer<T>, Error> {
        let _until_dropped = UnderWay::begin(&self.under_way, operation);
        answer.await
    }
}

struct UnderWay<'a>(&'a watch::Sender<Counts>, Operation);

impl<'a> UnderWay<'a> {
    fn begin(counts: &'a watch::Sender<Counts>, operation: Operation) -> Self {
        counts.send_modify(|counts| counts[operation as usize] += 1);
        Self(counts, operation)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|counts| counts[self.1 as usize] -= 1);
    }
}

wraps!(Recorder {});

wraps!(ClientSide {
    fn send<'a>(
        &'a self,
        call: &'a Call,
        request: RawRequest,
    ) -> BoxFuture<'a, Result<RawResponse, Error>> {
        Box::pin(async move {
            let _until_dropped = UnderWay::begin(&self.under_way, request.operation);
            self.inner.send(call, request).await
        })
    }
});
