//! A guard whose calls block.

use std::time::Duration;

use cycles_protocol::{
    Action, Amount, Balance, Caps, CommitRequest, CommitResponse, Decision, ExtendRequest,
    ExtendResponse, IntoMillis, ReleaseResponse, ReservationId, Subject,
};

use super::runtime::Runtime;
use crate::client::CyclesClient;
use crate::error::Error;
use crate::guard::ReservationGuard;

/// Longest wait for the release of a guard that is dropped: the program may end
/// right after.
const DROP_WAIT: Duration = Duration::from_secs(1);

/// A [`ReservationGuard`] whose calls block. Dropping it gives the hold back.
#[derive(Debug)]
#[must_use = "a guard that is dropped gives its hold back"]
pub struct BlockingReservationGuard {
    guard: ReservationGuard,
    on_drop: OnDrop,
}

/// Dropped after the guard, whose drop starts the release.
#[derive(Debug)]
struct OnDrop {
    client: CyclesClient,
    runtime: Runtime,
    is_settled: bool,
}

impl BlockingReservationGuard {
    pub(super) fn new(guard: ReservationGuard, client: CyclesClient, runtime: Runtime) -> Self {
        Self { guard, on_drop: OnDrop { client, runtime, is_settled: false } }
    }

    /// The guard whose calls are awaited.
    pub fn as_async(&self) -> &ReservationGuard {
        &self.guard
    }

    /// Names the reservation.
    #[must_use]
    pub fn reservation_id(&self) -> &ReservationId {
        self.guard.reservation_id()
    }

    /// Whether it was allowed plainly or with caps.
    #[must_use]
    pub fn decision(&self) -> Decision {
        self.guard.decision()
    }

    /// What the caller is asked to keep to.
    #[must_use]
    pub fn caps(&self) -> Option<&Caps> {
        self.guard.caps()
    }

    /// Whether there are caps.
    #[must_use]
    pub fn is_capped(&self) -> bool {
        self.guard.is_capped()
    }

    /// What was asked to hold.
    #[must_use]
    pub fn estimate(&self) -> Amount {
        self.guard.estimate()
    }

    /// When the lease ends, on the authority's clock, as last answered.
    #[must_use]
    pub fn expires_at_ms(&self) -> Option<i64> {
        self.guard.expires_at_ms()
    }

    /// All scopes that hold, root first.
    #[must_use]
    pub fn affected_scopes(&self) -> &[String] {
        self.guard.affected_scopes()
    }

    /// The budgets after the hold, where the authority said.
    #[must_use]
    pub fn balances(&self) -> &[Balance] {
        self.guard.balances()
    }

    /// Who spends.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        self.guard.subject()
    }

    /// On what.
    #[must_use]
    pub fn action(&self) -> &Action {
        self.guard.action()
    }

    /// Names the logical operation in the authority's events and logs.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.guard.trace_id()
    }

    /// [`ReservationGuard::commit`], blocking. The work has run, so it waits
    /// inside an async function too.
    ///
    /// # Errors
    /// As there.
    pub fn commit(self, request: CommitRequest) -> Result<CommitResponse, Error> {
        let Self { guard, mut on_drop } = self;
        on_drop.is_settled = true;
        on_drop.runtime.wait_anywhere(async move { guard.commit(request).await })?
    }

    /// [`ReservationGuard::release`], blocking.
    ///
    /// # Errors
    /// As there.
    pub fn release(self, reason: impl Into<String>) -> Result<ReleaseResponse, Error> {
        let (Self { guard, mut on_drop }, reason) = (self, reason.into());
        on_drop.is_settled = true;
        on_drop.runtime.wait_anywhere(async move { guard.release(reason).await })?
    }

    /// [`ReservationGuard::extend`], blocking.
    ///
    /// # Errors
    /// As there, and [`Error::Config`] inside an async function.
    pub fn extend(&self, extend_by_ms: impl IntoMillis) -> Result<ExtendResponse, Error> {
        let extension = self.guard.extension(ExtendRequest::new(extend_by_ms))?;
        self.on_drop.runtime.wait(extension)?
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if self.is_settled {
            return;
        }
        let client = self.client.clone();
        let released = async move {
            let _ = tokio::time::timeout(DROP_WAIT, client.pending().idle()).await;
        };
        // Inside an async function the release goes on without being waited for.
        let _ = self.runtime.wait(released);
    }
}
