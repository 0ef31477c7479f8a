//! Keeps a lease alive while its guard lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cycles_protocol::{Error, ExtendRequest, IdempotencyKey, ReservationId};

use crate::client::CyclesClient;
use crate::schedule::{Attempt, Next, Schedule};

/// A lease could not be extended, or not in time.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HeartbeatFailure {
    /// Whose lease.
    pub reservation_id: ReservationId,
    /// What the attempt said; `None` where nothing failed but the lease is too
    /// short to be extended again.
    pub error: Option<Error>,
    /// What happens next. The guarded work goes on either way.
    pub disposition: HeartbeatDisposition,
}

/// What happens after a [`HeartbeatFailure`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeartbeatDisposition {
    /// The same extension is repeated with the same key.
    Repeats,
    /// The lease ends when it ends; a commit after that is booked as an event.
    Stopped {
        /// Why.
        reason: &'static str,
    },
}

type Callback = dyn Fn(&HeartbeatFailure) + Send + Sync;

/// Who wants to know of failures.
#[derive(Clone, Default)]
pub(crate) struct OnFailure(pub(crate) Option<Arc<Callback>>);

impl std::fmt::Debug for OnFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OnFailure").field(&self.0.is_some()).finish()
    }
}

/// What a lease needs to be kept.
pub(crate) struct Lease {
    pub(crate) client: CyclesClient,
    pub(crate) id: ReservationId,
    pub(crate) trace_id: String,
    /// The expiry as last answered; the guard reads it.
    pub(crate) expires_at_ms: Arc<AtomicI64>,
    /// What each extension asks for.
    pub(crate) extend_by: Duration,
    /// When the create went out and came in, and what it said was left.
    pub(crate) granted: Attempt,
    pub(crate) remaining_ttl_ms: Option<i64>,
}

/// Extends until a condition is permanent. Ends with the guard, which aborts it.
pub(crate) async fn keep(lease: Lease) {
    let clock = Arc::clone(lease.client.clock());
    let timeout = lease.client.config().attempt_timeout();
    let mut schedule = Schedule::new(lease.extend_by, timeout, lease.granted);
    let expires = lease.expires_at_ms.load(Ordering::Acquire);
    let mut next = schedule.granted(lease.granted, lease.remaining_ttl_ms, expires);
    lease.report(None, next);
    let mut key = IdempotencyKey::random();
    loop {
        let at = match next {
            Next::Extend(at) => {
                key = IdempotencyKey::random();
                at
            }
            Next::Repeat(at) => at,
            Next::Stop(_) => return,
        };
        clock.sleep_until(at).await;
        let request = ExtendRequest::builder()
            .idempotency_key(key.clone())
            .extend_by_ms(i64::try_from(lease.extend_by.as_millis()).unwrap_or(i64::MAX))
            .build();
        let call = lease.client.call(&lease.trace_id).within(schedule.attempt_timeout());
        let sent = clock.monotonic();
        let answer = lease.client.authority().extend(&call, &lease.id, request).await;
        let attempt = Attempt { sent, received: clock.monotonic() };
        next = match answer {
            Ok(answer) => {
                lease.expires_at_ms.store(answer.value.expires_at_ms, Ordering::Release);
                let next = schedule.granted(
                    attempt,
                    answer.value.remaining_ttl_ms,
                    answer.value.expires_at_ms,
                );
                lease.report(None, next);
                next
            }
            Err(error) => {
                let next = schedule.failed(attempt.received, &error);
                lease.report(Some(error), next);
                next
            }
        };
    }
}

impl Lease {
    /// Tells who wants to know, unless the lease is simply going on.
    fn report(&self, error: Option<Error>, next: Next) {
        let disposition = match next {
            Next::Extend(_) => return,
            Next::Repeat(_) => HeartbeatDisposition::Repeats,
            Next::Stop(reason) => HeartbeatDisposition::Stopped { reason },
        };
        let failure = HeartbeatFailure { reservation_id: self.id.clone(), error, disposition };
        let error = failure.error.as_ref().map(tracing::field::display);
        tracing::warn!(reservation_id = %self.id, error, ?disposition, "lease extension failed");
        if let OnFailure(Some(callback)) = self.client.on_heartbeat_failure() {
            callback(&failure);
        }
    }
}
