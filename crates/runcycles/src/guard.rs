//! The guard: a hold that settles exactly once.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::{
    Action, Amount, Balance, Caps, CommitRequest, CommitResponse, CommitStatus, Decision,
    Error as Refusal, ExtendRequest, ExtendResponse, IntoMillis, Operation, ReleaseRequest,
    ReleaseResponse, ReleaseStatus, ReservationCreateRequest, ReservationCreateResponse,
    ReservationId, Subject, limits, strict::Validate,
};
use tokio::runtime::Handle;

use crate::actual;
use crate::client::CyclesClient;
use crate::error::Error;
use crate::heartbeat::{self, Beating, Heartbeat};
use crate::lease::{HeartbeatPolicy, Lease, LeaseLost};
use crate::metrics;
use crate::nested::{Draw, Parent, Pool};
use crate::observed;
use crate::schedule::Attempt;
use crate::settlement::{self, Settlement, Wait};

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

/// What is to be booked, and where.
pub(crate) enum Prepared {
    /// On the reservation.
    Commit(Held, CommitRequest),
    /// The outer call's hold has it.
    Inherited(Amount),
    /// The outer call has settled: directly.
    Debit(Held, CommitRequest),
}

impl Prepared {
    pub(crate) async fn settle(self, wait: Wait) -> Settlement {
        match self {
            Self::Commit(held, request) => settlement::commit(held, request, wait).await,
            Self::Inherited(charged) => Settlement::Inherited(charged),
            Self::Debit(held, request) => settlement::debit(held, request, wait).await,
        }
    }
}

/// What settling needs to know of a reservation.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) client: CyclesClient,
    pub(crate) id: ReservationId,
    pub(crate) request: Arc<ReservationCreateRequest>,
    pub(crate) response: Arc<ReservationCreateResponse>,
    pub(crate) trace_id: String,
    /// Whether nothing is held, because the authority could not be asked.
    pub(crate) unseen: bool,
    lease: Lease,
}

impl ReservationGuard {
    pub(crate) fn new(
        client: CyclesClient,
        id: ReservationId,
        request: ReservationCreateRequest,
        response: ReservationCreateResponse,
        trace_id: String,
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
            trace_id: trace_id.clone(),
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
        let held = Held {
            client,
            id,
            request: Arc::new(request),
            response: Arc::new(response),
            trace_id,
            unseen: false,
            lease,
        };
        let owner = std::process::id();
        Self { held, pool, parent, draw: None, heartbeat, runtime, owner, settled: false }
    }

    /// Work that was allowed while the authority could not be asked: there is no
    /// lease to keep.
    pub(crate) fn unseen(
        client: CyclesClient,
        id: ReservationId,
        request: ReservationCreateRequest,
        response: ReservationCreateResponse,
        trace_id: String,
        parent: Option<ReservationId>,
    ) -> Self {
        let pool = Pool::new(request.estimate.amount);
        let (request, response) = (Arc::new(request), Arc::new(response));
        let lease = Lease::none(id.clone());
        let held = Held { client, id, request, response, trace_id, unseen: true, lease };
        let (runtime, owner) = (Handle::try_current().ok(), std::process::id());
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
    pub(crate) fn inherited(parent: Parent, draw: Draw, request: ReservationCreateRequest) -> Self {
        Self {
            parent: Some(parent.held.id.clone()),
            pool: Pool::new(request.estimate.amount),
            held: Held { request: Arc::new(request), ..parent.held },
            draw: Some(draw),
            heartbeat: None,
            runtime: Handle::try_current().ok(),
            owner: std::process::id(),
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

    /// Charges what the work really cost and gives the rest back.
    ///
    /// An expired lease is booked as a direct debit with the same key
    /// ([`CommitStatus::RecoveredViaEvent`]).
    ///
    /// # Errors
    /// [`Error::CommitPending`] when no clear answer came: the commit is then
    /// repeated in the background with the same key. [`Error::Api`] or
    /// [`Error::BudgetExceeded`] (under `REJECT`) when the authority refuses,
    /// [`Error::CommitRecoveryFailed`] when it refuses the event too.
    /// [`Error::Validation`] for an actual that makes no sense (negative, another
    /// unit): the spend is booked as estimated then.
    /// [`Error::LeaseLost`] when the spend is booked, but the lease was lost
    /// before and the [`HeartbeatPolicy`] is not `Warn`.
    pub async fn commit(self, request: CommitRequest) -> Result<CommitResponse, Error> {
        let (request, problem) = actual::bookable(request, self.estimate());
        if let Some(problem) = problem {
            self.settle(request).await;
            return Err(problem.advise("; the estimate is committed instead").into());
        }
        let id = self.held.id.clone();
        let actual = request.actual;
        let held = self.held.clone();
        let client = &held.client;
        let is_kept = client.config().retry_enabled || client.journal().is_some();
        let settlement = self.prepare(request).settle(Wait::FirstAttempt).await;
        if let Some(loss) = held.loss_to_report(&settlement) {
            return Err(Error::LeaseLost(loss));
        }
        match settlement {
            Settlement::Committed(response) => Ok(response),
            Settlement::RecoveredViaEvent(event) => Ok(CommitResponse {
                status: CommitStatus::RecoveredViaEvent,
                charged: event.charged.unwrap_or(actual),
                released: None,
                balances: event.balances,
                cycles_evidence: None,
                recovered_via_event: Some(event.event_id),
            }),
            Settlement::Pending(error) if is_kept => Err(Error::CommitPending {
                reservation_id: id.to_string(),
                last_error: Box::new(error.into()),
            }),
            Settlement::Refused(error) | Settlement::Pending(error) => match error.first() {
                Some(commit) => Err(Error::CommitRecoveryFailed {
                    reservation_id: id.to_string(),
                    commit_error: Box::new(commit.clone().into()),
                    event_error: Box::new(error.into()),
                }),
                None => Err(error.into()),
            },
            Settlement::Inherited(charged) => Ok(CommitResponse {
                status: CommitStatus::Committed,
                charged,
                released: None,
                balances: None,
                cycles_evidence: None,
                recovered_via_event: None,
            }),
            Settlement::Queued | Settlement::Released(_) => {
                Err(Error::Internal("a commit was answered as something else".to_owned()))
            }
        }
    }

    /// As [`commit`](Self::commit), for callers that must not fail: every
    /// outcome is a value. Where `settlement` is `background`, it waits for the
    /// journal only and answers [`Settlement::Queued`].
    pub async fn settle(self, request: CommitRequest) -> Settlement {
        self.prepare(request).settle(Wait::AsConfigured).await
    }

    /// Ends the guard with what is to be booked, inner calls included.
    pub(crate) fn prepare(mut self, mut request: CommitRequest) -> Prepared {
        self.disarm();
        let actual = &mut request.actual;
        actual.amount = actual.amount.saturating_add(self.pool.close());
        let (charged, held) = (*actual, self.held.clone());
        match self.draw.take().map(|draw| draw.charge(charged.amount)) {
            None => Prepared::Commit(held, request),
            Some(true) => Prepared::Inherited(charged),
            Some(false) => Prepared::Debit(held, request),
        }
    }

    /// Gives everything back.
    ///
    /// # Errors
    /// [`Error::Api`] when the authority refuses; [`Error::Transport`] when no
    /// answer came (the hold then ends with its lease).
    pub async fn release(self, reason: impl Into<String>) -> Result<ReleaseResponse, Error> {
        let held = self.estimate();
        match self.end(Some(reason.into()), Wait::FirstAttempt).await {
            Settlement::Released(response) => Ok(response),
            Settlement::Refused(error) | Settlement::Pending(error) => Err(error.into()),
            // Inner calls had spent some of it.
            Settlement::Committed(CommitResponse { released, balances, .. }) => {
                Ok(released_only(released.unwrap_or(Amount::new(held.unit, 0)), balances))
            }
            Settlement::Queued | Settlement::Inherited(_) | Settlement::RecoveredViaEvent(_) => {
                Ok(released_only(Amount::new(held.unit, 0), None))
            }
        }
    }

    /// As [`release`](Self::release), for callers that must not fail. What inner
    /// calls that inherited the hold have cost is committed all the same. Where
    /// `settlement` is `background`, it does not wait for the answer.
    pub async fn give_back(self, reason: Option<String>) -> Settlement {
        self.end(reason, Wait::AsConfigured).await
    }

    async fn end(mut self, reason: Option<String>, wait: Wait) -> Settlement {
        let (unit, spent) = (self.estimate().unit, self.pool.close());
        if spent > 0 {
            let actual = Amount::new(unit, spent);
            let request = CommitRequest::builder().actual(actual).build();
            return self.prepare(request).settle(wait).await;
        }
        self.disarm();
        match self.draw.take() {
            None => settlement::give_back(self.held.clone(), reason, wait).await,
            Some(_) => Settlement::Released(released_only(self.estimate(), None)),
        }
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

    /// Gives up: the lease has ended, and what the work itself used is not known.
    /// What calls inside it have cost is booked.
    pub(crate) async fn abandon(mut self) {
        let (unit, spent) = (self.estimate().unit, self.pool.close());
        if spent > 0 {
            let actual = Amount::new(unit, spent);
            self.settle(CommitRequest::builder().actual(actual).build()).await;
        } else {
            self.disarm();
        }
    }

    /// Whether this is a forked child's copy: the parent settles, the child does not.
    pub(crate) fn is_forked_copy(&self) -> bool {
        self.owner != std::process::id()
    }

    /// From here on, dropping the guard does nothing.
    fn disarm(&mut self) {
        self.settled = true;
        if let Some(heartbeat) = self.heartbeat.take() {
            metrics::lease_ended();
            heartbeat.stop();
        }
    }
}

impl Drop for ReservationGuard {
    fn drop(&mut self) {
        if self.settled || self.is_forked_copy() {
            return;
        }
        self.disarm();
        let Some(runtime) = self.runtime.take() else {
            if self.held.unseen && self.draw.is_none() {
                self.held.abandon();
            }
            return;
        };
        let in_flight = self.held.client.pending().begin();
        let dropped = Self {
            held: self.held.clone(),
            pool: Arc::clone(&self.pool),
            parent: None,
            draw: self.draw.take(),
            heartbeat: None,
            runtime: None,
            owner: self.owner,
            settled: true,
        };
        runtime.spawn(async move {
            dropped.end(Some("guard was dropped".to_owned()), Wait::FirstAttempt).await;
            drop(in_flight);
        });
    }
}

impl Held {
    /// Whether lost leases stop the work.
    pub(crate) fn cancels(&self) -> bool {
        self.client.settings().heartbeat_policy == HeartbeatPolicy::Cancel
    }

    /// That the lease was lost before a spend was booked, where the policy wants
    /// to hear of it.
    pub(crate) fn loss_to_report(&self, settlement: &Settlement) -> Option<LeaseLost> {
        if self.client.settings().heartbeat_policy == HeartbeatPolicy::Warn {
            return None;
        }
        match settlement {
            Settlement::Committed(_) => self.lease.loss(),
            Settlement::RecoveredViaEvent(_) => {
                self.lease.lose("the authority answered that it had expired");
                self.lease.loss()
            }
            _ => None,
        }
    }

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

fn released_only(released: Amount, balances: Option<Vec<Balance>>) -> ReleaseResponse {
    ReleaseResponse { status: ReleaseStatus::Released, released, balances, cycles_evidence: None }
}

/// Decision "Unset `ttl_ms`": extend by what the create said was left, else 60 s.
fn extend_by(request: &ReservationCreateRequest, response: &ReservationCreateResponse) -> Duration {
    let ms = request.ttl_ms.or(response.remaining_ttl_ms).unwrap_or(limits::TTL_MS_DEFAULT);
    let ms = ms.clamp(*limits::EXTEND_BY_MS.start(), *limits::EXTEND_BY_MS.end());
    Duration::from_millis(ms.unsigned_abs())
}
