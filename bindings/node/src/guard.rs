//! The hold of one guarded call.

use std::sync::Arc;

use napi_derive::napi;
use runcycles::document::{CommitDocument, Guard, Parent};

use crate::document::{Document, Json, Payload};
use crate::envelope::{Answer, Envelope, Start, document, guarded};

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
        guarded(|| Ok(Payload(self.guard.context())))
    }

    /// Commits `{actual, metrics, metadata}`; the estimate where there is no actual.
    #[napi]
    pub fn commit(&self, outcome: Json) -> Answer<Payload> {
        let outcome: CommitDocument = match outcome.read("commit") {
            Ok(outcome) => outcome,
            Err(failure) => return Answer::failed(failure),
        };
        let guard = Arc::clone(&self.guard);
        Answer::of(self.start, async move {
            Ok(Payload(document(&guard.commit(outcome).await)))
        })
    }

    /// Gives everything back.
    #[napi]
    pub fn release(&self, reason: Document) -> Answer<Payload> {
        let guard = Arc::clone(&self.guard);
        Answer::of(self.start, async move {
            let reason = reason.into_text()?;
            Ok(Payload(document(&guard.release(reason).await)))
        })
    }
}

impl NativeGuard {
    pub(crate) fn new(guard: Guard, start: Start) -> Self {
        Self { guard: Arc::new(guard), start }
    }

    /// This call, for those inside it.
    pub(crate) fn as_parent(&self) -> Option<Parent> {
        self.guard.as_parent()
    }
}
