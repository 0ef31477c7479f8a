//! [`with_cycles`]: reserve, run, commit, in one call.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;

use cycles_protocol::{
    Action, Amount, Balance, Caps, CommitOveragePolicy, CommitRequest, CyclesMetrics, Decision,
    IdempotencyKey, IntoJsonMap, IntoMillis, JsonMap, ReservationCreateRequest, ReservationId,
    Subject,
};

use tracing::Instrument;

use crate::actual;
use crate::client::CyclesClient;
use crate::error::Error;
use crate::guard::ReservationGuard;
use crate::lease::{Lease, LeaseLost};
use crate::nested::{Nested, Nesting};
use crate::observed;
use crate::settlement::Wait;

/// The guarded function's own error, handed through untouched.
pub type GuardedError = Box<dyn std::error::Error + Send + Sync>;

/// What a guarded call reserves.
#[derive(Debug, Clone)]
#[must_use]
pub struct WithCyclesConfig {
    /// Its key is each call's own. Shared, since it is large and moved about.
    request: Arc<ReservationCreateRequest>,
    booking: Booking,
    nested: Option<Nested>,
}

impl WithCyclesConfig {
    /// Holds `estimate` while the function runs.
    pub fn new(estimate: Amount) -> Self {
        let request = ReservationCreateRequest::builder()
            .idempotency_key(String::new())
            .action(Action::new("unknown", "unknown"))
            .estimate(estimate)
            .build();
        Self { request: Arc::new(request), booking: Booking::default(), nested: None }
    }

    fn request(&mut self) -> &mut ReservationCreateRequest {
        Arc::make_mut(&mut self.request)
    }

    /// What the spend is for; `unknown` unless set.
    pub fn action(mut self, kind: impl Into<String>, name: impl Into<String>) -> Self {
        let action = &mut self.request().action;
        (action.kind, action.name) = (kind.into(), name.into());
        self
    }

    /// Policy tags of the action.
    pub fn action_tags(mut self, tags: Vec<String>) -> Self {
        self.request().action.tags = Some(tags);
        self
    }

    /// Who spends; levels left out come from the client.
    pub fn subject(mut self, subject: Subject) -> Self {
        self.request().subject = subject;
        self
    }

    /// Lease, milliseconds; the authority's default unless set.
    pub fn ttl_ms(mut self, ttl_ms: impl IntoMillis) -> Self {
        self.request().ttl_ms = Some(ttl_ms.into_millis());
        self
    }

    /// Time after the lease in which a commit still settles.
    pub fn grace_period_ms(mut self, grace_period_ms: impl IntoMillis) -> Self {
        self.request().grace_period_ms = Some(grace_period_ms.into_millis());
        self
    }

    /// What a commit above the estimate does; the authority's default unless set.
    pub fn overage_policy(mut self, policy: CommitOveragePolicy) -> Self {
        self.request().overage_policy = Some(policy);
        self
    }

    /// Measurements to commit with.
    pub fn metrics(mut self, metrics: CyclesMetrics) -> Self {
        self.booking.metrics = Some(metrics);
        self
    }

    /// Kept with the reservation.
    pub fn metadata(mut self, metadata: impl IntoJsonMap) -> Self {
        self.request().metadata = Some(metadata.into_json_map());
        self
    }

    /// Kept with the commit.
    pub fn commit_metadata(mut self, metadata: impl IntoJsonMap) -> Self {
        self.booking.metadata = Some(metadata.into_json_map());
        self
    }

    /// Who pays, where this call is inside another; the client's setting unless set.
    pub fn nested(mut self, nested: Nested) -> Self {
        self.nested = Some(nested);
        self
    }

    /// What is reserved, who pays, and what the commit carries.
    pub(crate) fn split(mut self) -> (Arc<ReservationCreateRequest>, Option<Nested>, Booking) {
        self.request().idempotency_key = IdempotencyKey::random();
        (self.request, self.nested, self.booking)
    }
}

/// What a commit carries besides its actual.
#[derive(Debug, Clone, Default)]
pub(crate) struct Booking {
    pub(crate) metrics: Option<CyclesMetrics>,
    pub(crate) metadata: Option<JsonMap>,
}

/// What the guarded function may know of its reservation.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct GuardContext {
    /// Names the reservation.
    pub reservation_id: ReservationId,
    /// Whether it was allowed plainly or with caps.
    pub decision: Decision,
    /// What the function is asked to keep to.
    pub caps: Option<Caps>,
    /// What is held.
    pub estimate: Amount,
    /// When the lease ended when this was made; it is extended meanwhile.
    pub expires_at_ms: Option<i64>,
    /// All scopes that hold, root first.
    pub affected_scopes: Vec<String>,
    /// The budgets after the hold, where the authority said.
    pub balances: Vec<Balance>,
    /// Names the logical operation.
    pub trace_id: String,
    /// The reservation of the call that this one is inside of.
    pub parent_reservation_id: Option<ReservationId>,
    /// Whether the authority could not be asked, so that nothing is held.
    pub unseen: bool,
    lease: Lease,
}

impl GuardContext {
    /// The lease, to stop early where it is lost: `tokio::select!` on
    /// [`lost`](Lease::lost). Under `HeartbeatPolicy::Cancel` the function is
    /// dropped then anyway.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.lease
    }

    pub(crate) fn of(guard: &ReservationGuard) -> Self {
        Self {
            reservation_id: guard.reservation_id().clone(),
            decision: guard.decision(),
            caps: guard.caps().cloned(),
            estimate: guard.estimate(),
            expires_at_ms: guard.expires_at_ms(),
            affected_scopes: guard.affected_scopes().to_vec(),
            balances: guard.balances().to_vec(),
            trace_id: guard.trace_id().to_owned(),
            parent_reservation_id: guard.parent_reservation_id().cloned(),
            unseen: guard.is_unseen(),
            lease: guard.lease().clone(),
        }
    }
}

/// Reserves, runs `work`, and commits the amount that it answers.
///
/// An error of `work` releases the hold and comes back as [`Error::Guarded`].
/// Once `work` has succeeded its result is returned whatever settlement says:
/// an unclear commit is repeated in the background, a refused one is logged.
///
/// # Errors
/// [`Error::BudgetExceeded`] and [`Error::Api`] when the reserve is refused, in
/// which case `work` never runs; [`Error::Guarded`] with `work`'s own error;
/// [`Error::LeaseLost`] when `work` was cancelled because its lease was lost
/// (`HeartbeatPolicy::Cancel`): nothing is booked then. Under `FailOnFinalize` a
/// result is returned all the same and the loss is logged: it must not cost the
/// result. Commit a guard by hand to get it as an error.
pub async fn with_cycles<F, Fut, T>(
    client: &CyclesClient,
    config: WithCyclesConfig,
    work: F,
) -> Result<T, Error>
where
    F: FnOnce(GuardContext) -> Fut,
    Fut: Future<Output = Result<(T, Amount), GuardedError>>,
{
    let action = &config.request.action;
    let span = observed::guarded(&action.kind, &action.name);
    // Held in one place: it is large.
    let guarded = pin!(guarded(client, config, work));
    guarded.instrument(span).await
}

async fn guarded<T, F, Fut>(
    client: &CyclesClient,
    config: WithCyclesConfig,
    work: F,
) -> Result<T, Error>
where
    F: FnOnce(GuardContext) -> Fut,
    Fut: Future<Output = Result<(T, Amount), GuardedError>>,
{
    let (request, nested, booking) = config.split();
    let guard = client.reserve_within(request, Nesting::here(nested)).await?;
    observed::guards(&guard);
    let done = {
        // Held in one place: it may be large, and guarded calls may be nested.
        let work = pin!(guard.around(work(GuardContext::of(&guard))));
        unless_lost(&guard, work).await
    };
    let done = match done {
        Ok(done) => done,
        Err(loss) => {
            Box::pin(guard.abandon()).await;
            return Err(Error::LeaseLost(loss));
        }
    };
    match done {
        Ok((value, actual)) => {
            book(guard, booking, actual).await;
            Ok(value)
        }
        Err(error) => {
            guard.give_back(Some(failure(&error))).await;
            Err(Error::Guarded(error))
        }
    }
}

/// Commits what the work cost. It has run, so whatever keeps that from being
/// booked is logged and not answered.
pub(crate) async fn book(guard: ReservationGuard, booking: Booking, actual: Amount) {
    let request = CommitRequest::builder()
        .actual(actual)
        .maybe_metrics(booking.metrics)
        .maybe_metadata(booking.metadata)
        .build();
    let (request, problem) = actual::bookable(request, guard.estimate());
    if let Some(problem) = problem {
        tracing::warn!(%problem, "actual makes no sense; the estimate is committed");
    }
    let held = guard.held.clone();
    let settlement = guard.prepare(request).settle(Wait::AsConfigured).await;
    if let crate::Settlement::Refused(error) = &settlement {
        tracing::error!(%error, "commit was refused; the spend is not booked");
    }
    if let Some(loss) = held.loss_to_report(&settlement) {
        tracing::error!(%loss, "spend is booked, but it was not held to the end");
    }
}

/// Why a hold is given back whose work failed.
pub(crate) fn failure(error: &GuardedError) -> String {
    format!("guarded function failed: {error}")
}

/// Runs `work` to its end, or drops it when the lease is lost and the policy is
/// to cancel.
async fn unless_lost<W: Future>(
    guard: &ReservationGuard,
    work: Pin<&mut W>,
) -> Result<W::Output, LeaseLost> {
    if !guard.held.cancels() {
        return Ok(work.await);
    }
    tokio::select! {
        biased;
        done = work => Ok(done),
        loss = guard.lease_lost() => Err(loss),
    }
}
