//! The hold of one guarded call.

use std::sync::Arc;

use napi_derive::napi;
use parking_lot::Mutex;
use runcycles::document::{CommitDocument, Guard, Parent, SettlementDocument};
use serde_json::Value;

use crate::abort::{NativeAbort, unless_aborted};
use crate::document::{Document, Json, Payload};
use crate::envelope::{Answer, Envelope, Failure, Start, document, guarded};

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
    hold: Arc<Hold>,
    start: Start,
}

struct Hold {
    guard: Guard,
    /// How it was settled, for whoever asks: few do, and to write it out costs as much as to
    /// settle.
    settlement: Mutex<Option<SettlementDocument>>,
}

#[napi]
impl NativeGuard {
    /// What the guarded function may know of its reservation.
    #[napi]
    pub fn context(&self) -> Envelope<Payload> {
        guarded(|| Ok(Payload::of(&self.hold.guard.context())))
    }

    /// This call, for those inside it; `null` once it has settled.
    #[napi]
    pub fn parent(&self) -> Option<NativeParent> {
        self.hold.guard.as_parent().map(NativeParent::new)
    }

    /// Whether the work is to be cancelled when its lease is lost; see `lost`.
    #[napi]
    pub fn cancels(&self) -> bool {
        self.hold.guard.cancels()
    }

    /// Answers the error to throw when the lease is lost; ends by `abort` otherwise.
    #[napi]
    pub fn lost(&self, abort: &NativeAbort) -> Answer<Value> {
        let (hold, registration) = (Arc::clone(&self.hold), abort.register());
        Answer::of(Start::Elsewhere, async move {
            unless_aborted(registration, async { document(&hold.guard.lost().await) }).await
        })
    }

    /// Gives up work that was cancelled because its lease was lost.
    #[napi]
    pub fn abandon(&self) -> Answer<Value> {
        let hold = Arc::clone(&self.hold);
        Answer::of(self.start, async move {
            hold.guard.abandon().await;
            Ok(Value::Null)
        })
    }

    /// Commits `{actual, metrics, metadata}`; the estimate where there is no actual. What came
    /// of it is `settlement`.
    #[napi]
    pub fn commit(&self, outcome: Json) -> Answer<Value> {
        let outcome: CommitDocument = match outcome.read("commit") {
            Ok(outcome) => outcome,
            Err(failure) => return Answer::failed(failure),
        };
        let hold = Arc::clone(&self.hold);
        Answer::of(self.start, async move {
            let settled = hold.guard.commit(outcome).await;
            *hold.settlement.lock() = Some(settled);
            Ok(Value::Null)
        })
    }

    /// Gives everything back. What came of it is `settlement`.
    #[napi]
    pub fn release(&self, reason: Document) -> Answer<Value> {
        let hold = Arc::clone(&self.hold);
        Answer::of(self.start, async move {
            let settled = hold.guard.release(reason.into_text()?).await;
            *hold.settlement.lock() = Some(settled);
            Ok(Value::Null)
        })
    }

    /// How it was settled, once it was.
    #[napi]
    pub fn settlement(&self) -> Envelope<Payload> {
        guarded(|| match &*self.hold.settlement.lock() {
            Some(settled) => Ok(Payload::of(settled)),
            None => Err(Failure::validation("the guard is not settled yet")),
        })
    }
}

impl NativeGuard {
    pub(crate) fn new(guard: Guard, start: Start) -> Self {
        Self { hold: Arc::new(Hold { guard, settlement: Mutex::default() }), start }
    }
}
