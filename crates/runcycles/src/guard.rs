//! The guard: a hold that settles exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cycles_protocol::{
    Action, Amount, Balance, Caps, CommitRequest, CommitResponse, CommitStatus, Decision,
    Error as Refusal, ExtendRequest, ExtendResponse, ReleaseRequest, ReleaseResponse,
    ReservationCreateRequest, ReservationCreateResponse, ReservationId, Subject, limits,
};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::client::CyclesClient;
use crate::error::Error;
use crate::heartbeat::{self, Lease};
use crate::schedule::Attempt;
use crate::settlement::{self, Settlement};

/// What a reserve came to.
#[derive(Debug)]
pub enum Begun {
    /// Budget is held.
    Live(ReservationGuard),
    /// Nothing is held: this is what would have been answered.
    DryRun(Box<ReservationCreateResponse>),
}

/// Budget held for one piece of work. While it lives, its lease is extended;
/// [`commit`](Self::commit) and [`release`](Self::release) consume it, and
/// dropping it releases the hold in the background.
#[derive(Debug)]
#[must_use = "a guard that is dropped gives its hold back"]
pub struct ReservationGuard {
    pub(crate) held: Held,
    heartbeat: Option<AbortHandle>,
    runtime: Option<Handle>,
    /// A guard inherited by a forked child neither heartbeats nor releases.
    owner: u32,
    settled: bool,
}

/// What settling needs to know of a reservation.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) client: CyclesClient,
    pub(crate) id: ReservationId,
    pub(crate) request: Arc<ReservationCreateRequest>,
    pub(crate) response: Arc<ReservationCreateResponse>,
    pub(crate) trace_id: String,
    expires_at_ms: Arc<AtomicI64>,
}

impl ReservationGuard {
    pub(crate) fn new(
        client: CyclesClient,
        id: ReservationId,
        request: ReservationCreateRequest,
        response: ReservationCreateResponse,
        trace_id: String,
        granted: Attempt,
    ) -> Self {
        let expires_at_ms = Arc::new(AtomicI64::new(response.expires_at_ms.unwrap_or(0)));
        let runtime = Handle::try_current().ok();
        let lease = Lease {
            client: client.clone(),
            id: id.clone(),
            trace_id: trace_id.clone(),
            expires_at_ms: Arc::clone(&expires_at_ms),
            extend_by: extend_by(&request, &response),
            granted,
            remaining_ttl_ms: response.remaining_ttl_ms,
        };
        // Without a runtime nothing could be awaited either; the lease then runs out.
        let heartbeat =
            runtime.as_ref().map(|runtime| runtime.spawn(heartbeat::keep(lease)).abort_handle());
        let held = Held {
            client,
            id,
            request: Arc::new(request),
            response: Arc::new(response),
            trace_id,
            expires_at_ms,
        };
        Self { held, heartbeat, runtime, owner: std::process::id(), settled: false }
    }

    /// Names the reservation.
    #[must_use]
    pub fn reservation_id(&self) -> &ReservationId {
        &self.held.id
    }

    /// Whether it was allowed plainly or with caps.
    #[must_use]
    pub fn decision(&self) -> Decision {
        self.held.response.decision
    }

    /// What the caller is asked to keep to.
    #[must_use]
    pub fn caps(&self) -> Option<&Caps> {
        self.held.response.caps.as_ref()
    }

    /// Whether there are caps.
    #[must_use]
    pub fn is_capped(&self) -> bool {
        self.decision() == Decision::AllowWithCaps
    }

    /// What was asked to hold.
    #[must_use]
    pub fn estimate(&self) -> Amount {
        self.held.request.estimate
    }

    /// When the lease ends, on the authority's clock, as last answered.
    #[must_use]
    pub fn expires_at_ms(&self) -> Option<i64> {
        self.held.response.expires_at_ms?;
        Some(self.held.expires_at_ms.load(Ordering::Acquire))
    }

    /// All scopes that hold, root first.
    #[must_use]
    pub fn affected_scopes(&self) -> &[String] {
        &self.held.response.affected_scopes
    }

    /// The budgets after the hold, where the authority said.
    #[must_use]
    pub fn balances(&self) -> &[Balance] {
        self.held.response.balances.as_deref().unwrap_or_default()
    }

    /// Who spends.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.held.request.subject
    }

    /// On what.
    #[must_use]
    pub fn action(&self) -> &Action {
        &self.held.request.action
    }

    /// The authority's whole answer.
    #[must_use]
    pub fn response(&self) -> &ReservationCreateResponse {
        &self.held.response
    }

    /// Names the logical operation in the authority's events and logs.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        &self.held.trace_id
    }

    /// Charges what the work really cost and gives the rest back.
    ///
    /// An expired lease is booked as a direct debit with the same key
    /// ([`CommitStatus::RecoveredViaEvent`]).
    ///
    /// # Errors
    /// [`Error::CommitPending`] when no clear answer came: the commit is then
    /// repeated in the background with the same key. [`Error::Api`] or
    /// [`Error::BudgetExceeded`] (under `REJECT`) when the authority refuses.
    pub async fn commit(self, request: CommitRequest) -> Result<CommitResponse, Error> {
        let id = self.held.id.clone();
        let actual = request.actual;
        match self.settle(request).await {
            Settlement::Committed(response) => Ok(response),
            Settlement::RecoveredViaEvent(event) => Ok(CommitResponse {
                status: CommitStatus::RecoveredViaEvent,
                charged: event.charged.unwrap_or(actual),
                released: None,
                balances: event.balances,
                cycles_evidence: None,
            }),
            Settlement::Pending(error) => {
                Err(Error::CommitPending { reservation_id: id, message: error.to_string() })
            }
            Settlement::Refused(error) => Err(error.into()),
            Settlement::Released(_) => {
                Err(Error::Internal("a commit was answered as a release".to_owned()))
            }
        }
    }

    /// As [`commit`](Self::commit), for callers that must not fail: every
    /// outcome is a value.
    pub async fn settle(mut self, request: CommitRequest) -> Settlement {
        self.disarm();
        settlement::commit(self.held.clone(), request).await
    }

    /// Gives everything back.
    ///
    /// # Errors
    /// [`Error::Api`] when the authority refuses; [`Error::Transport`] when no
    /// answer came (the hold then ends with its lease).
    pub async fn release(self, reason: impl Into<String>) -> Result<ReleaseResponse, Error> {
        match self.give_back(Some(reason.into())).await {
            Settlement::Released(response) => Ok(response),
            Settlement::Refused(error) | Settlement::Pending(error) => Err(error.into()),
            _ => Err(Error::Internal("a release was answered as a commit".to_owned())),
        }
    }

    /// As [`release`](Self::release), for callers that must not fail.
    pub async fn give_back(mut self, reason: Option<String>) -> Settlement {
        self.disarm();
        settlement::release(&self.held, reason).await
    }

    /// Moves the expiry outward by hand; the heartbeat goes on by itself.
    ///
    /// # Errors
    /// [`Error::Api`], [`Error::Transport`].
    pub async fn extend(&self, extend_by_ms: i64) -> Result<ExtendResponse, Error> {
        let request = ExtendRequest::builder().extend_by_ms(extend_by_ms).build();
        let call = self.held.client.call(&self.held.trace_id);
        let answer = self.held.client.authority().extend(&call, &self.held.id, request).await?;
        self.held.expires_at_ms.store(answer.value.expires_at_ms, Ordering::Release);
        Ok(answer.value)
    }

    /// Whether this is a forked child's copy: the parent settles, the child does not.
    pub(crate) fn is_inherited(&self) -> bool {
        self.owner != std::process::id()
    }

    /// From here on, dropping the guard does nothing.
    fn disarm(&mut self) {
        self.settled = true;
        if let Some(heartbeat) = self.heartbeat.take() {
            heartbeat.abort();
        }
    }
}

impl Drop for ReservationGuard {
    fn drop(&mut self) {
        if self.settled || self.is_inherited() {
            return;
        }
        self.disarm();
        let Some(runtime) = &self.runtime else { return };
        let (held, in_flight) = (self.held.clone(), self.held.client.pending().begin());
        runtime.spawn(async move {
            settlement::release(&held, Some("guard was dropped".to_owned())).await;
            drop(in_flight);
        });
    }
}

impl Held {
    /// The refusal of one attempt, with the reservation named.
    pub(crate) fn warn(&self, error: &Refusal, what: &str) {
        tracing::warn!(reservation_id = %self.id, %error, "{what}");
    }

    pub(crate) fn release_request(reason: Option<String>) -> ReleaseRequest {
        let reason = reason
            .map(|reason| reason.chars().take(limits::RELEASE_REASON_MAX).collect::<String>());
        ReleaseRequest::builder().maybe_reason(reason).build()
    }
}

/// Decision "Unset `ttl_ms`": extend by what the create said was left, else 60 s.
fn extend_by(request: &ReservationCreateRequest, response: &ReservationCreateResponse) -> Duration {
    let ms = request.ttl_ms.or(response.remaining_ttl_ms).unwrap_or(limits::TTL_MS_DEFAULT);
    let ms = ms.clamp(*limits::EXTEND_BY_MS.start(), *limits::EXTEND_BY_MS.end());
    Duration::from_millis(ms.unsigned_abs())
}
