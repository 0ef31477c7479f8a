//! Streams: a hold that is watched while the output flows, extended or cut at
//! its limit, and settled once however the stream ends.

mod items;
mod limit;
mod tally;
mod usage;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cycles_protocol::{Amount, Error as Refusal, JsonMap, ReservationCreateRequest, ReservationId};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::client::CyclesClient;
use crate::error::Error;
use crate::guard::{Begun, ReservationGuard};
use crate::lifecycle::{Booking, GuardContext, WithCyclesConfig};
use crate::nested::{Nesting, Parent};
use crate::settlement::Settlement;

use tally::Tally;
use usage::Meter;

pub(crate) use limit::Next;
pub use limit::{Flow, OnLimit};
pub use usage::StreamUsage;

/// How a stream is watched.
#[derive(Clone, Default)]
#[must_use]
pub struct StreamOptions {
    on_limit: OnLimit,
    extend_by: Option<i64>,
    meter: Meter,
}

impl StreamOptions {
    /// Watches nothing but the end.
    pub fn new() -> Self {
        Self::default()
    }

    /// What happens when the hold is used up; the stream goes on unless set.
    pub fn on_limit(mut self, on_limit: OnLimit) -> Self {
        self.on_limit = on_limit;
        self
    }

    /// What each further reservation holds, in the estimate's unit; the estimate
    /// unless set.
    pub fn extend_by(mut self, amount: i64) -> Self {
        self.extend_by = Some(amount);
        self
    }

    /// What the usage so far costs, in the estimate's unit. Without it, tokens
    /// cost themselves where the unit is `TOKENS`.
    pub fn cost(mut self, cost: impl Fn(&StreamUsage) -> i64 + Send + Sync + 'static) -> Self {
        self.meter = Meter::Function(Arc::new(cost));
        self
    }
}

impl std::fmt::Debug for StreamOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamOptions")
            .field("on_limit", &self.on_limit)
            .field("extend_by", &self.extend_by)
            .finish_non_exhaustive()
    }
}

/// A stream's hold. Cheap to clone; when the last clone is dropped the stream is
/// [aborted](Self::abort).
#[derive(Debug, Clone)]
pub struct StreamReservation {
    stream: Arc<Stream>,
}

#[derive(Debug)]
struct Stream {
    tally: Arc<Tally>,
    on_limit: OnLimit,
    /// What each further hold asks for.
    further: ReservationCreateRequest,
    /// Inside which call the stream is.
    nesting: Nesting,
    context: GuardContext,
    /// This stream, for the calls inside it.
    as_parent: Parent,
    /// `None` once the stream has settled.
    holds: Mutex<Option<Vec<ReservationGuard>>>,
    /// One at a time asks for a further hold.
    extending: tokio::sync::Mutex<()>,
    /// There is a further hold.
    extended: Arc<tokio::sync::Notify>,
    is_cut: AtomicBool,
    runtime: Option<Handle>,
}

impl CyclesClient {
    /// Reserves budget for a stream and watches it.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    pub async fn reserve_stream(
        &self,
        config: WithCyclesConfig,
        options: StreamOptions,
    ) -> Result<StreamReservation, Error> {
        let (request, nested, booking) = config.split();
        let nesting = Nesting::here(nested);
        Ok(StreamReservation::begin(self, request, booking, options, nesting).await?)
    }
}

impl StreamReservation {
    pub(crate) async fn begin(
        client: &CyclesClient,
        request: Arc<ReservationCreateRequest>,
        booking: Booking,
        options: StreamOptions,
        nesting: Nesting,
    ) -> Result<Self, Refusal> {
        if options.extend_by.is_some_and(|amount| amount <= 0) {
            return Err(Refusal::invalid(format!(
                "extend_by must be above zero extend_by={}",
                options.extend_by.unwrap_or_default()
            )));
        }
        let Booking { metrics, metadata } = booking;
        let metrics = metrics.unwrap_or_default();
        let mut further = (*request).clone();
        further.estimate.amount = options.extend_by.unwrap_or(request.estimate.amount.max(1));
        let guard = match client.begin_reported(request, nesting.clone()).await? {
            Begun::Live(guard) => guard,
            Begun::DryRun(_) => {
                return Err(Refusal::invalid("a dry run holds nothing to stream on; call begin()"));
            }
        };
        let as_parent = guard.as_parent();
        let tally = Tally {
            client: client.clone(),
            estimate: guard.estimate(),
            meter: options.meter,
            usage: Mutex::new(StreamUsage { metrics, ..StreamUsage::default() }),
            pool: Arc::clone(&as_parent.pool),
            began: client.clock().monotonic(),
            metadata: Mutex::new(metadata),
        };
        let stream = Stream {
            tally: Arc::new(tally),
            on_limit: options.on_limit,
            further,
            nesting,
            context: GuardContext::of(&guard),
            as_parent,
            holds: Mutex::new(Some(vec![guard])),
            extending: tokio::sync::Mutex::default(),
            extended: Arc::default(),
            is_cut: AtomicBool::new(false),
            runtime: Handle::try_current().ok(),
        };
        Ok(Self { stream: Arc::new(stream) })
    }

    /// What the stream's first reservation came to.
    #[must_use]
    pub fn context(&self) -> &GuardContext {
        &self.stream.context
    }

    /// Runs `work` inside this stream: guarded calls that it awaits are nested in it.
    pub fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        self.stream.as_parent.clone().around(work)
    }

    /// Counts tokens that went in.
    pub fn add_input_tokens(&self, tokens: i64) {
        self.record(|usage| usage.add_input_tokens(tokens));
    }

    /// Counts tokens that came out.
    pub fn add_output_tokens(&self, tokens: i64) {
        self.record(|usage| usage.add_output_tokens(tokens));
    }

    /// Says what the stream has cost so far in all, in the estimate's unit; it
    /// wins over the cost function.
    pub fn set_actual(&self, amount: i64) {
        self.record(|usage| usage.actual = Some(amount.max(0)));
    }

    /// Changes what has been used so far.
    pub fn record(&self, change: impl FnOnce(&mut StreamUsage)) {
        let tally = &self.stream.tally;
        change(&mut tally.usage.lock());
        tally.pool.set_own(tally.cost().unwrap_or(0));
    }

    /// What has been used so far.
    #[must_use]
    pub fn usage(&self) -> StreamUsage {
        self.stream.tally.usage.lock().clone()
    }

    /// What that costs, inner calls that inherit the hold included; `None` where
    /// nothing says.
    #[must_use]
    pub fn used(&self) -> Option<Amount> {
        let tally = &self.stream.tally;
        let amount = tally.cost()?.saturating_add(tally.pool.promised());
        Some(Amount::new(tally.unit(), amount))
    }

    /// What is held in all.
    #[must_use]
    pub fn held(&self) -> Amount {
        let tally = &self.stream.tally;
        Amount::new(tally.unit(), tally.pool.held())
    }

    /// The reservations that hold it, in the order they were taken; empty once
    /// the stream has settled.
    #[must_use]
    pub fn reservation_ids(&self) -> Vec<ReservationId> {
        let holds = self.stream.holds.lock();
        holds.iter().flatten().map(|guard| guard.reservation_id().clone()).collect()
    }

    /// Whether the hold was used up and no more output may flow.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.stream.is_cut.load(Ordering::Acquire)
    }

    /// Whether the stream has settled.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.stream.holds.lock().is_none()
    }

    /// What the first hold says; `None` once the stream has settled.
    pub(crate) fn first<T>(&self, read: impl FnOnce(&ReservationGuard) -> T) -> Option<T> {
        self.stream.holds.lock().as_ref()?.first().map(read)
    }

    pub(crate) fn as_parent(&self) -> Parent {
        self.stream.as_parent.clone()
    }

    /// What the commit is to carry, in place of what was said before.
    pub(crate) fn set_metadata(&self, metadata: JsonMap) {
        *self.stream.tally.metadata.lock() = Some(metadata);
    }

    /// The stream has ended: commits what was used, and gives the rest back.
    /// Without any usage or cost, the estimate is what was used.
    ///
    /// `None` when it has settled already.
    pub async fn finish(&self) -> Option<Settlement> {
        let holds = self.stream.take()?;
        Some(self.stream.tally.commit(holds).await)
    }

    /// The stream has failed or is given up: commits what was used where output
    /// was produced, and gives everything back where none was.
    ///
    /// `None` when it has settled already.
    pub async fn abort(&self, reason: impl Into<String>) -> Option<Settlement> {
        let holds = self.stream.take()?;
        Some(self.stream.tally.end_early(holds, &reason.into()).await)
    }
}

impl Stream {
    /// The holds, for whoever settles them: once. A forked child's copies are
    /// the parent process's to settle.
    fn take(&self) -> Option<Vec<ReservationGuard>> {
        let holds = self.holds.lock().take()?;
        (!holds.iter().any(ReservationGuard::is_forked_copy)).then_some(holds)
    }

    /// Aborts in the background, unless it has settled.
    fn abandon(&self) {
        let Some(runtime) = &self.runtime else { return };
        let Some(holds) = self.take() else { return };
        let (tally, in_flight) = (Arc::clone(&self.tally), self.tally.client.pending().begin());
        runtime.spawn(async move {
            tally.end_early(holds, "stream was dropped").await;
            drop(in_flight);
        });
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.abandon();
    }
}
