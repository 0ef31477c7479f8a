//! Keeps a lease alive while its guard lives.

mod waiting;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::{
    Clock, Error, ExtendRequest, ExtendResponse, IdempotencyKey, Operation, ReservationId,
};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tracing::Span;

use crate::client::CyclesClient;
use crate::lease::Lease;
use crate::metrics;
use crate::notifications::Notification;
use crate::schedule::{Attempt, Next, Schedule, early, extend_timeout, has_ended};

pub(crate) use waiting::{Beating, Waiting};

/// Extensions of one client under way at once. Leases that were granted together
/// are due together: without a limit ten thousand of them would open as many
/// connections, more than a process usually may have.
const AT_ONCE: usize = 256;

/// Lets extensions go out, a bounded number at once.
#[derive(Debug)]
pub(crate) struct Extensions(Semaphore);

impl Default for Extensions {
    fn default() -> Self {
        Self(Semaphore::new(AT_ONCE))
    }
}

/// A lease could not be extended, or not in time.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HeartbeatFailure {
    /// Whose lease.
    pub reservation_id: ReservationId,
    /// What the attempt said; `None` where nothing failed but the lease is too
    /// short to be extended again.
    pub error: Option<Error>,
    /// What happens next.
    pub disposition: HeartbeatDisposition,
}

/// What happens after a [`HeartbeatFailure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeartbeatDisposition {
    /// The same extension is repeated with the same key.
    Repeats,
    /// It is not extended any more and ends when it ends.
    Stopped {
        /// Why.
        reason: &'static str,
    },
    /// It has ended for certain, before the guarded work did. What becomes of the
    /// work is the [`HeartbeatPolicy`](crate::HeartbeatPolicy)'s.
    Lost {
        /// Why it could not be extended.
        reason: &'static str,
    },
}

impl HeartbeatDisposition {
    /// `repeats`, `stopped` or `lost`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repeats => "repeats",
            Self::Stopped { .. } => "stopped",
            Self::Lost { .. } => "lost",
        }
    }

    /// Why it is not extended any more.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Repeats => None,
            Self::Stopped { reason } | Self::Lost { reason } => Some(reason),
        }
    }
}

type Callback = dyn Fn(&HeartbeatFailure) + Send + Sync;

/// Who wants to know of failures.
#[derive(Clone, Default)]
pub(crate) struct OnFailure(pub(crate) Option<Arc<Callback>>);

impl OnFailure {
    /// A callback that panics must not end the heartbeat.
    fn call(&self, failure: &HeartbeatFailure) {
        let Some(callback) = &self.0 else { return };
        if catch_unwind(AssertUnwindSafe(|| callback(failure))).is_err() {
            tracing::error!("on_heartbeat_failure panicked; the lease is kept all the same");
        }
    }
}

impl std::fmt::Debug for OnFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OnFailure").field(&self.0.is_some()).finish()
    }
}

/// What a lease needs to be kept.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    pub(crate) client: CyclesClient,
    pub(crate) lease: Lease,
    pub(crate) trace_id: Arc<str>,
    /// What each extension asks for.
    pub(crate) extend_by: Duration,
    /// When the create went out and came in, and what it said was left.
    pub(crate) granted: Attempt,
    pub(crate) remaining_ttl_ms: Option<i64>,
}

/// A heartbeat and its next extension.
#[derive(Debug)]
struct Beat {
    heartbeat: Heartbeat,
    schedule: Schedule,
    next: Next,
    /// When it is due.
    at: Duration,
}

impl Beat {
    fn new(heartbeat: Heartbeat) -> Self {
        let mut schedule = heartbeat.schedule();
        let Heartbeat { granted, remaining_ttl_ms, .. } = heartbeat;
        let next = schedule.granted(granted, remaining_ttl_ms, heartbeat.lease.expires_at_ms());
        heartbeat.report(None, next);
        let now = granted.received;
        let at = match next {
            Next::Extend(at) => early(at, now, fastrand::f64()),
            Next::Repeat(at) => at,
            Next::Stop(_) => now,
        };
        Self { heartbeat, schedule, next, at }
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        self.heartbeat.client.clock()
    }
}

/// Keeps a lease in `runtime` until the guard stops it.
pub(crate) fn begin(heartbeat: Heartbeat, span: Span, runtime: &Handle) -> Beating {
    let waiting = Arc::clone(heartbeat.client.waiting_leases());
    waiting.add(Beat::new(heartbeat), span, runtime)
}

/// Extends until a condition is permanent, then waits for the lease to end. Ends
/// with the guard, which aborts it.
async fn keep(beat: Beat) {
    let Beat { heartbeat, mut schedule, mut next, at } = beat;
    let clock = Arc::clone(heartbeat.client.clock());
    let mut key = IdempotencyKey::random();
    let mut due = Some(at);
    let (reason, has_ended) = loop {
        let at = match next {
            Next::Extend(at) => {
                key = IdempotencyKey::random();
                due.take().unwrap_or_else(|| early(at, clock.monotonic(), fastrand::f64()))
            }
            Next::Repeat(at) => {
                metrics::retried(Operation::Extend);
                at
            }
            Next::Stop(reason) => break (reason, false),
        };
        clock.sleep_until(at).await;
        let (attempt, answer) = heartbeat.extend(&key, schedule.attempt_timeout()).await;
        next = match answer {
            Ok(answer) => {
                let (left, expires) = (answer.remaining_ttl_ms, answer.expires_at_ms);
                heartbeat.lease.extended(attempt.received, left, expires);
                let next = schedule.granted(attempt, left, expires);
                heartbeat.report(None, next);
                next
            }
            Err(error) => {
                heartbeat.lease.unclear(&error, heartbeat.extend_by);
                let next = schedule.failed(attempt.received, &error);
                let has_ended = has_ended(&error);
                heartbeat.report(Some(error), next);
                match next {
                    Next::Stop(reason) => break (reason, has_ended),
                    next => next,
                }
            }
        };
    };
    if !has_ended {
        heartbeat.lease.end(&*clock).await;
    }
    heartbeat.lease.lose(reason);
    heartbeat.tell(None, HeartbeatDisposition::Lost { reason });
}

impl Heartbeat {
    fn schedule(&self) -> Schedule {
        let attempt_timeout = self.client.config().attempt_timeout();
        let timeout = self
            .client
            .settings()
            .extend_timeout
            .unwrap_or_else(|| extend_timeout(attempt_timeout, self.extend_by));
        Schedule::new(self.extend_by, timeout, self.granted)
    }

    async fn extend(
        &self,
        key: &IdempotencyKey,
        timeout: Duration,
    ) -> (Attempt, Result<ExtendResponse, Error>) {
        let client = &self.client;
        let request = ExtendRequest::builder()
            .idempotency_key(key.clone())
            .extend_by_ms(i64::try_from(self.extend_by.as_millis()).unwrap_or(i64::MAX))
            .build();
        let call = client.call(&self.trace_id).within(timeout);
        // Waiting for its turn is no part of the attempt. It is never refused: nobody closes it.
        let _turn = client.extensions().0.acquire().await;
        let sent = client.clock().monotonic();
        let answer = client.authority().extend(&call, self.lease.reservation_id(), request).await;
        let received = client.clock().monotonic();
        (Attempt { sent, received }, answer.map(|answer| answer.value))
    }

    /// Tells who wants to know, unless the lease is simply going on.
    fn report(&self, error: Option<Error>, next: Next) {
        match next {
            Next::Extend(_) => {}
            Next::Repeat(_) => self.tell(error, HeartbeatDisposition::Repeats),
            Next::Stop(reason) => self.tell(error, HeartbeatDisposition::Stopped { reason }),
        }
    }

    fn tell(&self, error: Option<Error>, disposition: HeartbeatDisposition) {
        let reservation_id = self.lease.reservation_id().clone();
        let failure = HeartbeatFailure { reservation_id, error, disposition };
        let error = failure.error.as_ref().map(tracing::field::display);
        tracing::warn!(
            reservation_id = %failure.reservation_id, error, ?disposition, "lease extension failed"
        );
        metrics::heartbeat_failed(disposition.as_str());
        self.client.notify(Notification::heartbeat_failure(&failure));
        self.client.on_heartbeat_failure().call(&failure);
    }
}
