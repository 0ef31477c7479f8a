//! Keeps a lease alive while its guard lives.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use cycles_protocol::{ExtendRequest, IdempotencyKey, ReservationId};

use crate::client::CyclesClient;
use crate::schedule::{Attempt, Next, Schedule};

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
    let mut key = IdempotencyKey::random();
    loop {
        let at = match next {
            Next::Extend(at) => {
                key = IdempotencyKey::random();
                at
            }
            Next::Repeat(at) => at,
            Next::Stop(reason) => {
                tracing::warn!(reservation_id = %lease.id, reason, "lease is no longer extended");
                return;
            }
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
                schedule.granted(attempt, answer.value.remaining_ttl_ms, answer.value.expires_at_ms)
            }
            Err(error) => {
                tracing::warn!(reservation_id = %lease.id, %error, "lease extension failed");
                schedule.failed(attempt.received, &error)
            }
        };
    }
}
