//! The hold of one guarded call.

use std::sync::Arc;

use napi_derive::napi;
use runcycles::document::{CommitDocument, Guard, Parent};
use serde_json::Value;

use crate::abort::{NativeAbort, unless_aborted};
use crate::document::{Document, Json, Payload};
use crate::envelope::{Answer, Envelope, Start, document, guarded};

/// A call or a stream, for the calls inside it.
#[napi]
pub(crate) struct NativeParent {
    parent: Parent,
}

impl NativeParent {
    pub(crate) fn new(parent: Parent) -> Self {
        Self { parent }
    }

    pub(crate) fn parent(&self) -> Parent {
        self.parent.clone()
    }
}

/// A hold. One that JavaScript forgets is released when it is collected.
#[napi]
pub(crate) struct NativeGuard {
    guard: Arc<Guard>,
    start: Start,
}

#[napi]
impl NativeGuard {
    /// What the guarded function may know of its reservation.
    #[napi]
    pub fn context(&self) -> Envelope<Payload> {
        guarded(|| Ok(Payload::of(&self.guard.context())))
    }

    /// This call, for those inside it; `null` once it has settled.
    #[napi]
    pub fn parent(&self) -> Option<NativeParent> {
        self.guard.as_parent().map(NativeParent::new)
    }

    /// Whether the work is to be cancelled when its lease is lost; see `lost`.
    #[napi]
    pub fn cancels(&self) -> bool {
        self.guard.cancels()
    }

    /// Answers the error to throw when the lease is lost; ends by `abort` otherwise.
    #[napi]
    pub fn lost(&self, abort: &NativeAbort) -> Answer<Value> {
        let (guard, registration) = (Arc::clone(&self.guard), abort.register());
        Answer::of(Start::Elsewhere, async move {
            unless_aborted(registration, async { document(&guard.lost().await) }).await
        })
    }

    /// Gives up work that was cancelled because its lease was lost.
    #[napi]
    pub fn abandon(&self) -> Answer<Value> {
        let guard = Arc::clone(&self.guard);
        Answer::of(self.start, async move {
            guard.abandon().await;
            Ok(Value::Null)
        })
    }

    /// Commits `{actual, metrics, metadata}`; the estimate where there is no actual.
    #[napi]
    pub fn commit(&self, outcome: Json) -> Answer<Payload> {
        let outcome: CommitDocument = match outcome.read("commit") {
            Ok(outcome) => outcome,
            Err(failure) => return Answer::failed(failure),
        };
        let guard = Arc::clone(&self.guard);
        Answer::of(self.start, async move { Ok(Payload::of(&guard.commit(outcome).await)) })
    }

    /// Gives everything back.
    #[napi]
    pub fn release(&self, reason: Document) -> Answer<Payload> {
        let guard = Arc::clone(&self.guard);
        Answer::of(self.start, async move {
            let reason = reason.into_text()?;
            Ok(Payload::of(&guard.release(reason).await))
        })
    }
}

impl NativeGuard {
    pub(crate) fn new(guard: Guard, start: Start) -> Self {
        Self { guard: Arc::new(guard), start }
    }
}
