//! The holds of one stream.

use std::sync::Arc;

use napi_derive::napi;
use runcycles::document::{Stream, UsageDocument};
use serde_json::Value;

use crate::abort::{NativeAbort, unless_aborted};
use crate::document::{Document, Json, Payload};
use crate::envelope::{Answer, Envelope, Failure, Start, document, guarded};
use crate::guard::NativeParent;

/// A stream. One that JavaScript forgets is aborted when it is collected.
#[napi]
pub(crate) struct NativeStream {
    stream: Arc<Stream>,
    start: Start,
}

#[napi]
impl NativeStream {
    /// What its user may know of it.
    #[napi]
    pub fn context(&self) -> Envelope<Payload> {
        guarded(|| Ok(Payload::of(&self.stream.context())))
    }

    /// This stream after `usage`, for the calls inside it; `null` once it has settled.
    #[napi]
    pub fn parent(&self, usage: Json) -> Option<NativeParent> {
        if let Ok(usage) = usage.read("usage") {
            self.stream.count(usage);
        }
        self.stream.as_parent().map(NativeParent::new)
    }

    /// Whether a lost lease cuts it; see `lost`.
    #[napi]
    pub fn cancels(&self) -> bool {
        self.stream.cancels()
    }

    /// Answers why when its lease is lost; ends by `abort` otherwise.
    #[napi]
    pub fn lost(&self, abort: &NativeAbort) -> Answer<Value> {
        let (lost, registration) = (self.stream.lost(), abort.register());
        Answer::of(Start::Elsewhere, async move {
            unless_aborted(registration, async { document(&lost.await) }).await
        })
    }

    /// Whether more may flow, after `usage`: `{flow, error}`.
    #[napi]
    pub fn proceed(&self, usage: Json) -> Answer<Payload> {
        // Nearly always this is known at once, for a remote authority too.
        self.settle(Start::Here, usage, |stream, usage| async move {
            Payload::of(&stream.proceed(usage).await)
        })
    }

    /// The stream has ended with `usage`.
    #[napi]
    pub fn finish(&self, usage: Json) -> Answer<Payload> {
        self.settle(self.start, usage, |stream, usage| async move {
            Payload::of(&stream.finish(usage).await)
        })
    }

    /// The stream has failed, or was given up.
    #[napi]
    pub fn abort(&self, usage: Json, reason: Document) -> Answer<Payload> {
        let reason = match reason.into_text() {
            Ok(reason) => reason,
            Err(failure) => return Answer::failed(failure),
        };
        self.settle(self.start, usage, |stream, usage| async move {
            Payload::of(&stream.abort(usage, reason).await)
        })
    }
}

impl NativeStream {
    pub(crate) fn new(stream: Stream, start: Start) -> Self {
        Self { stream: Arc::new(stream), start }
    }

    fn settle<F: Future<Output = Payload> + Send + 'static>(
        &self,
        start: Start,
        usage: Json,
        then: impl FnOnce(Arc<Stream>, UsageDocument) -> F,
    ) -> Answer<Payload> {
        let usage: Result<UsageDocument, Failure> = usage.read("usage");
        match usage {
            Ok(usage) => {
                let then = then(Arc::clone(&self.stream), usage);
                Answer::of(start, async move { Ok(then.await) })
            }
            Err(failure) => Answer::failed(failure),
        }
    }
}
