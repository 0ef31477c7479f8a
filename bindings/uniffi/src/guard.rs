//! The guard.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use runcycles::document::foreign;
use runcycles::document::{self, CommitDocument, GuardRequest};
use runcycles::{CyclesClient, ErrorReport};

use crate::error::{NativeError, document, json};

/// Budget held for one piece of work; dropping it unsettled gives it back.
///
/// The foreign side has the object before anything is held. An object that an
/// asynchronous call *returned* would be lost, hold and all, when its caller is
/// cancelled at that moment: uniffi 0.32 does not drop it.
#[derive(Debug, uniffi::Object)]
pub struct Guard {
    to_reserve: Mutex<Option<(CyclesClient, GuardRequest, Option<document::Parent>)>>,
    held: Arc<OnceLock<document::Guard>>,
}

#[uniffi::export]
impl Guard {
    /// Reserves what the guard was made for; works once.
    pub async fn reserve(&self) -> Result<(), NativeError> {
        let Some((client, request, parent)) = self.to_reserve.lock().take() else {
            return Err(ErrorReport::internal("a guard reserves once").into());
        };
        let held = Arc::clone(&self.held);
        let reserved = foreign::detached(async move {
            let guard = document::begin(&client, request, parent).await?;
            // Where nobody waits any more, this is the last owner: the guard is dropped, which releases it.
            held.set(guard).map_err(|_| ErrorReport::internal("a guard reserves once"))
        });
        Ok(reserved.await??)
    }

    /// What the guarded function may know of its reservation, as JSON.
    pub fn context(&self) -> Result<String, NativeError> {
        Ok(json(&reserved(&self.held)?.facts()))
    }

    /// This call, for those inside it; `None` once it has settled.
    pub fn parent(&self) -> Result<Option<Arc<Parent>>, NativeError> {
        Ok(reserved(&self.held)?.as_parent().map(Parent::of))
    }

    /// Whether the work is to be cancelled when its lease is lost: wait for [`Self::lost`] beside it.
    pub fn cancels(&self) -> Result<bool, NativeError> {
        Ok(reserved(&self.held)?.cancels())
    }

    /// Ends when the lease is lost, with an error report as JSON; may never.
    pub async fn lost(&self) -> Result<String, NativeError> {
        // Not detached: whoever stops waiting ends it, and it keeps nothing alive.
        Ok(json(&reserved(&self.held)?.lost().await))
    }

    /// Gives up work that was cancelled because its lease was lost: nothing is booked.
    pub async fn abandon(&self) -> Result<(), NativeError> {
        let held = Arc::clone(&self.held);
        let abandoned = foreign::detached(async move {
            reserved(&held)?.abandon().await;
            Ok::<_, NativeError>(())
        });
        abandoned.await?
    }

    /// Commits what the JSON `report` says; answers how the settlement stands.
    pub async fn commit(&self, report: String) -> Result<String, NativeError> {
        // The work has run: a report that cannot be read must not keep its spend from being booked.
        let report: CommitDocument = document("commit", &report).unwrap_or_default();
        let held = Arc::clone(&self.held);
        let settled = foreign::detached(async move {
            Ok::<_, NativeError>(json(&reserved(&held)?.commit(report).await))
        });
        settled.await?
    }

    /// Gives everything back; answers how the settlement stands.
    pub async fn release(&self, reason: Option<String>) -> Result<String, NativeError> {
        let held = Arc::clone(&self.held);
        let settled = foreign::detached(async move {
            Ok::<_, NativeError>(json(&reserved(&held)?.release(reason).await))
        });
        settled.await?
    }
}

/// The call that further ones are made inside of.
#[derive(Debug, uniffi::Object)]
pub struct Parent(document::Parent);

impl Parent {
    pub(crate) fn of(parent: document::Parent) -> Arc<Self> {
        Arc::new(Self(parent))
    }

    pub(crate) fn handle(&self) -> document::Parent {
        self.0.clone()
    }
}

impl Guard {
    pub(crate) fn of(
        client: CyclesClient,
        request: GuardRequest,
        parent: Option<document::Parent>,
    ) -> Arc<Self> {
        let to_reserve = Mutex::new(Some((client, request, parent)));
        Arc::new(Self { to_reserve, held: Arc::default() })
    }
}

fn reserved(held: &OnceLock<document::Guard>) -> Result<&document::Guard, NativeError> {
    held.get().ok_or_else(|| ErrorReport::internal("the guard has not reserved").into())
}
