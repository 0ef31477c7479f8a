//! The hold of one guarded call.

use napi_derive::napi;
use runcycles::document::{CommitDocument, Guard, Parent};
use serde_json::Value;

use crate::document::Document;
use crate::envelope::{Envelope, document, guarded, guarded_async};

/// A hold. One that JavaScript forgets is released when it is collected.
#[napi]
pub(crate) struct NativeGuard {
    guard: Guard,
}

#[napi]
impl NativeGuard {
    /// What the guarded function may know of its reservation.
    #[napi]
    pub fn context(&self) -> Envelope<Value> {
        guarded(|| Ok(self.guard.context()))
    }

    /// Commits `{actual, metrics, metadata}`; the estimate where there is no actual.
    #[napi]
    pub async fn commit(&self, outcome: Document) -> Envelope<Value> {
        guarded_async(async {
            let outcome: CommitDocument = outcome.read("commit")?;
            Ok(document(&self.guard.commit(outcome).await))
        })
        .await
    }

    /// Gives everything back.
    #[napi]
    pub async fn release(&self, reason: Document) -> Envelope<Value> {
        guarded_async(async {
            let reason = reason.into_text()?;
            Ok(document(&self.guard.release(reason).await))
        })
        .await
    }
}

impl NativeGuard {
    pub(crate) fn new(guard: Guard) -> Self {
        Self { guard }
    }

    /// This call, for those inside it.
    pub(crate) fn as_parent(&self) -> Option<Parent> {
        self.guard.as_parent()
    }
}
