//! How a lease stands: shared by its guard, its heartbeat, and whoever waits for
//! its loss.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cycles_protocol::{Clock, Error, ErrorKind, ReservationId};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// What happens to guarded work whose lease is lost: its hold has ended, so that
/// others may spend what it held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HeartbeatPolicy {
    /// It goes on; the loss is reported. A commit is booked as a direct debit.
    #[default]
    Warn,
    /// It goes on and its spend is booked; the commit is then an error that says so.
    FailOnFinalize,
    /// It is cancelled, and nothing is booked: what it used is not known.
    Cancel,
}

impl HeartbeatPolicy {
    /// Reads `warn`, `fail_on_finalize` or `cancel`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "warn" => Some(Self::Warn),
            "fail_on_finalize" => Some(Self::FailOnFinalize),
            "cancel" => Some(Self::Cancel),
            _ => None,
        }
    }
}

/// A lease that ended before its work did.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("lease of {reservation_id} was lost: {reason}")]
#[non_exhaustive]
pub struct LeaseLost {
    /// Whose lease.
    pub reservation_id: ReservationId,
    /// Why it could not be extended.
    pub reason: &'static str,
}

/// The lease of a guard. Clones watch the same lease.
#[derive(Debug, Clone)]
pub struct Lease(Arc<State>);

#[derive(Debug)]
struct State {
    id: ReservationId,
    /// The expiry as last answered, on the authority's clock.
    expires_at_ms: AtomicI64,
    end: Mutex<End>,
    lost: OnceLock<&'static str>,
    changed: Notify,
}

/// The latest moment, on this process's monotonic clock, at which the lease can end.
#[derive(Debug, Clone, Copy)]
struct End {
    at: Duration,
    /// What an extension without a clear answer may have added.
    perhaps: Duration,
}

impl Lease {
    /// A lease granted in an answer that came in at `received`; `ttl` bounds it
    /// where the authority does not say what is left.
    pub(crate) fn granted(
        id: ReservationId,
        received: Duration,
        remaining_ttl_ms: Option<i64>,
        ttl: Duration,
        expires_at_ms: i64,
    ) -> Self {
        let at = received.saturating_add(remaining_ttl_ms.map_or(ttl, millis));
        Self(Arc::new(State {
            id,
            expires_at_ms: AtomicI64::new(expires_at_ms),
            end: Mutex::new(End { at, perhaps: Duration::ZERO }),
            lost: OnceLock::new(),
            changed: Notify::new(),
        }))
    }

    /// No lease, of work that nothing is held for: there is none to lose.
    pub(crate) fn none(id: ReservationId) -> Self {
        Self::granted(id, Duration::ZERO, None, Duration::MAX, 0)
    }

    /// Whose lease.
    #[must_use]
    pub fn reservation_id(&self) -> &ReservationId {
        &self.0.id
    }

    /// The loss, once the lease has ended for certain.
    #[must_use]
    pub fn loss(&self) -> Option<LeaseLost> {
        let reason = *self.0.lost.get()?;
        Some(LeaseLost { reservation_id: self.0.id.clone(), reason })
    }

    /// Completes once the lease has ended for certain while its guard lives;
    /// never, where it is settled before.
    pub async fn lost(&self) -> LeaseLost {
        loop {
            let changed = self.0.changed.notified();
            if let Some(loss) = self.loss() {
                return loss;
            }
            changed.await;
        }
    }

    pub(crate) fn expires_at_ms(&self) -> i64 {
        self.0.expires_at_ms.load(Ordering::Acquire)
    }

    /// An extension was answered.
    pub(crate) fn extended(&self, received: Duration, remaining: Option<i64>, expires_at_ms: i64) {
        let previous = self.0.expires_at_ms.swap(expires_at_ms, Ordering::AcqRel);
        let mut end = self.0.end.lock();
        let grant = millis(expires_at_ms.saturating_sub(previous));
        let at = remaining.map_or(end.at.saturating_add(grant), |remaining| {
            received.saturating_add(millis(remaining))
        });
        *end = End { at, perhaps: Duration::ZERO };
    }

    /// An extension by `by` was not answered clearly: it may have been applied.
    /// Repeats of it carry the same key and add no more.
    pub(crate) fn unclear(&self, error: &Error, by: Duration) {
        let failed = error.status().is_some_and(|status| status >= 500);
        if error.kind() == ErrorKind::OutcomeUnknown || failed {
            let mut end = self.0.end.lock();
            end.perhaps = end.perhaps.max(by);
        }
    }

    /// Waits until the lease has ended for certain.
    pub(crate) async fn end(&self, clock: &dyn Clock) {
        loop {
            let End { at, perhaps } = *self.0.end.lock();
            let end = at.saturating_add(perhaps);
            if clock.monotonic() >= end {
                return;
            }
            clock.sleep_until(end).await;
        }
    }

    pub(crate) fn lose(&self, reason: &'static str) {
        if self.0.lost.set(reason).is_ok() {
            self.0.changed.notify_waiters();
        }
    }
}

fn millis(ms: i64) -> Duration {
    Duration::from_millis(ms.max(0).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn lease(remaining: Option<i64>) -> Lease {
        Lease::granted(ReservationId::new("res_1"), S(1), remaining, S(60), 100_000)
    }

    fn ends_at(lease: &Lease) -> Duration {
        let end = *lease.0.end.lock();
        end.at + end.perhaps
    }

    #[test]
    fn the_end_is_what_the_authority_says_is_left_counted_from_its_answer() {
        let lease = lease(Some(5_000));
        assert_eq!(ends_at(&lease), S(6));
        lease.extended(S(4), Some(7_000), 105_000);
        assert_eq!(ends_at(&lease), S(11));
    }

    #[test]
    fn without_that_it_is_the_ttl_and_what_the_extensions_granted() {
        let lease = lease(None);
        assert_eq!(ends_at(&lease), S(61));
        lease.extended(S(4), None, 130_000);
        assert_eq!(ends_at(&lease), S(91));
        assert_eq!(lease.expires_at_ms(), 130_000);
    }

    #[test]
    fn an_extension_without_a_clear_answer_may_have_been_applied_once() {
        let lease = lease(Some(5_000));
        lease.unclear(&Error::unreachable("nobody there"), S(60));
        assert_eq!(ends_at(&lease), S(6), "it was never sent");
        for _ in 0..2 {
            lease.unclear(&Error::outcome_unknown(None, "connection broke"), S(60));
            assert_eq!(ends_at(&lease), S(66));
        }
        lease.extended(S(5), Some(61_000), 160_000);
        assert_eq!(ends_at(&lease), S(66));
    }

    #[tokio::test]
    async fn who_waits_for_the_loss_is_told_before_and_after() {
        let lease = lease(None);
        let waiting = tokio::spawn({
            let lease = lease.clone();
            async move { lease.lost().await }
        });
        tokio::task::yield_now().await;
        assert_eq!(lease.loss(), None);
        lease.lose("first");
        lease.lose("second");
        assert_eq!(waiting.await.unwrap().reason, "first");
        assert_eq!(lease.lost().await.to_string(), "lease of res_1 was lost: first");
    }
}
