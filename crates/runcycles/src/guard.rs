//! The guard: a hold that settles exactly once.

mod ending;
mod held;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::{
    Action, Amount, Balance, Caps, Decision, Error as Refusal, ExtendRequest, ExtendResponse,
    IntoMillis, Operation, ReservationCreateRequest, ReservationCreateResponse, ReservationId,
    Subject, limits, strict::Validate,
};
use tokio::runtime::Handle;

use crate::client::CyclesClient;
use crate::error::Error;
use crate::heartbeat::{self, Beating, Heartbeat};
use crate::lease::{Lease, LeaseLost};
use crate::metrics;
use crate::nested::{Draw, Parent, Pool};
use crate::observed;
use crate::schedule::Attempt;

pub(crate) use ending::Prepared;
pub(crate) use held::{Held, Holding};

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
    /// What inner calls that inherit the hold come to.
    pub(crate) pool: Arc<Pool>,
    /// The outer call's reservation.
    parent: Option<ReservationId>,
    /// The part of the outer call's hold, where this call inherits it.
    draw: Option<Draw>,
    heartbeat: Option<Beating>,
    runtime: Option<Handle>,
    /// A guard inherited by a forked child neither heartbeats nor releases.
    owner: u32,
    settled: bool,
}

impl ReservationGuard {
    pub(crate) fn new(
        client: CyclesClient,
        id: ReservationId,
        request: Arc<ReservationCreateRequest>,
        response: Arc<ReservationCreateResponse>,
        trace_id: Arc<str>,
        granted: Attempt,
        parent: Option<ReservationId>,
    ) -> Self {
        let extend_by = extend_by(&request, &response);
        let remaining_ttl_ms = response.remaining_ttl_ms;
        let expires_at_ms = response.expires_at_ms.unwrap_or(0);
        let lease = Lease::granted(
            id.clone(),
            granted.received,
            remaining_ttl_ms,
            extend_by,
            expires_at_ms,
        );
        let runtime = Handle::try_current().ok();
        let heartbeat = Heartbeat {
            client: client.clone(),
            lease: lease.clone(),
            trace_id: Arc::clone(&trace_id),
            extend_by,
            granted,
            remaining_ttl_ms,
        };
        let span = observed::lease(&id, &trace_id);
        // Without a runtime nothing could be awaited either; the lease then runs out.
        let heartbeat = runtime.as_ref().map(|runtime| {
            metrics::lease_began();
            heartbeat::begin(heartbeat, span, runtime)
        });
        let pool = Pool::new(request.estimate.amount);
        let held = Holding { client, id, request, response, trace_id, unseen: false, lease }.into();
        let owner = cycles_protocol::process::id();
        Self { held, pool, parent, draw: None, heartbeat, runtime, owner, settled: false }
    }

    /// Work that was allowed while the authority could not be asked: there is no
    /// lease to keep.
    pub(crate) fn unseen(
        client: CyclesClient,
        id: ReservationId,
        request: Arc<ReservationCreateRequest>,
        response: Arc<ReservationCreateResponse>,
        trace_id: Arc<str>,
        parent: Option<ReservationId>,
    ) -> Self {
        let pool = Pool::new(request.estimate.amount);
        let lease = Lease::none(id.clone());
        let held = Holding { client, id, request, response, trace_id, unseen: true, lease }.into();
        let (runtime, owner) = (Handle::try_current().ok(), cycles_protocol::process::id());
        Self { held, pool, parent, draw: None, heartbeat: None, runtime, owner, settled: false }
    }

    /// Whether the authority could not be asked, so that nothing is held and the
    /// spend is booked as a direct event later
    /// ([`OnUnreachable`](crate::OnUnreachable)).
    #[must_use]
    pub fn is_unseen(&self) -> bool {
        self.held.unseen
    }

    /// Inside the hold of `parent`, which keeps the lease.
    pub(crate) fn inherited(
        parent: &Parent,
        draw: Draw,
        request: Arc<ReservationCreateRequest>,
    ) -> Self {
        Self {
            parent: Some(parent.held.id.clone()),
            pool: Pool::new(request.estimate.amount),
            held: parent.held.asked(request),
            draw: Some(draw),
            heartbeat: None,
            runtime: Handle::try_current().ok(),
            owner: cycles_protocol::process::id(),
            settled: false,
        }
    }

    /// This call, for those inside it.
    pub(crate) fn as_parent(&self) -> Parent {
        Parent { held: self.held.clone(), pool: Arc::clone(&self.pool) }
    }

    /// Runs `work` inside this call: guarded calls that it awaits are nested in
    /// this one. Tasks that it spawns are not.
    pub fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.as_parent().around(work)
    }

    /// The reservation of the call that this one is inside of.
    #[must_use]
    pub fn parent_reservation_id(&self) -> Option<&ReservationId> {
        self.parent.as_ref()
    }

    /// Names the reservation; the outer call's, where this one inherits it.
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
        Some(self.held.lease.expires_at_ms())
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

    /// The lease, to watch it while the work runs.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.held.lease
    }

    /// Completes when the lease is lost, so that work can be stopped early:
    /// `tokio::select!` on it. Its spend is still to be committed.
    pub async fn lease_lost(&self) -> LeaseLost {
        self.held.lease.lost().await
    }

    /// Moves the expiry outward by hand; the heartbeat goes on by itself.
    ///
    /// # Errors
    /// [`Error::Validation`] outside of 1 ms to one day and where nothing is held;
    /// [`Error::Api`], [`Error::Transport`].
    pub async fn extend(&self, extend_by_ms: impl IntoMillis) -> Result<ExtendResponse, Error> {
        self.extension(ExtendRequest::new(extend_by_ms))?.await
    }

    /// One extension, which does not borrow the guard.
    pub(crate) fn extension(
        &self,
        request: ExtendRequest,
    ) -> Result<impl Future<Output = Result<ExtendResponse, Error>> + Send + use<>, Error> {
        if self.held.unseen {
            let what = "nothing is held that could be extended: the work was allowed unseen";
            return Err(Error::Validation(what.to_owned()));
        }
        request.validate().map_err(Refusal::before_sending)?;
        let by = Duration::from_millis(request.extend_by_ms.max(0).unsigned_abs());
        let held = self.held.clone();
        Ok(async move {
            let call = held.client.call(&held.trace_id);
            let answer = held.client.authority().extend(&call, &held.id, request);
            let answer = held.client.bounded(Operation::Extend, answer).await;
            let answer = answer.inspect_err(|error| held.lease.unclear(error, by))?;
            let (received, left) = (held.client.clock().monotonic(), answer.value.remaining_ttl_ms);
            held.lease.extended(received, left, answer.value.expires_at_ms);
            Ok(answer.value)
        })
    }

    /// Whether this is a forked child's copy: the parent settles, the child does not.
    pub(crate) fn is_forked_copy(&self) -> bool {
        self.owner != cycles_protocol::process::id()
    }
}

/// Decision "Unset `ttl_ms`": extend by what the create said was left, else 60 s.
fn extend_by(request: &ReservationCreateRequest, response: &ReservationCreateResponse) -> Duration {
    let ms = request.ttl_ms.or(response.remaining_ttl_ms).unwrap_or(limits::TTL_MS_DEFAULT);
    let ms = ms.clamp(*limits::EXTEND_BY_MS.start(), *limits::EXTEND_BY_MS.end());
    Duration::from_millis(ms.unsigned_abs())
}
