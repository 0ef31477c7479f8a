//! When to extend a lease: the spec's HEARTBEAT GUIDANCE as arithmetic, without
//! I/O. Times are spans on the client's own monotonic clock.

use std::time::Duration;

use cycles_protocol::{Error, ErrorCode, ErrorKind};

/// spec: lower bound of `attempt_budget` and `safety_margin`.
const MIN_BUDGET: Duration = Duration::from_secs(1);
/// spec: upper bound of `retry_delay`, and of the fallback's held cadence.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);
/// The longest that one extend may take. Short, so that short leases can be kept.
const MAX_ATTEMPT: Duration = Duration::from_secs(2);

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Extend at this moment with a fresh key.
    Extend(Duration),
    /// Repeat the failed extension at this moment with the same key.
    Repeat(Duration),
    /// Stop; the lease ends when it ends.
    Stop(&'static str),
}

/// When an attempt went out and its answer came in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) sent: Duration,
    pub(crate) received: Duration,
}

/// The state of one lease's heartbeat.
#[derive(Debug)]
pub(crate) struct Schedule {
    ttl: Duration,
    attempt_timeout: Duration,
    max_rtt: Duration,
    lead: Lead,
    zero_delays: u8,
    last_window: Option<Duration>,
    immediate_retries: u8,
}

#[derive(Debug)]
enum Lead {
    /// The server says what is left: a proven lower bound, and since when.
    Known { floor: Duration, since: Duration },
    /// It does not: the last expiry, the last success, and the beat in force.
    Fallback { expires_at_ms: Option<i64>, since: Duration, cadence: Duration },
}

impl Schedule {
    /// A lease just granted; `ttl` is what each extension asks for.
    pub(crate) fn new(ttl: Duration, timeout: Duration, granted: Attempt) -> Self {
        Self {
            ttl,
            attempt_timeout: timeout.min(MAX_ATTEMPT).min((ttl / 5).max(MIN_BUDGET)),
            max_rtt: Duration::ZERO,
            lead: Lead::Fallback {
                expires_at_ms: None,
                since: granted.received,
                cadence: (ttl / 2).min(MAX_RETRY_DELAY),
            },
            zero_delays: 0,
            last_window: None,
            immediate_retries: 0,
        }
    }

    /// The longest that one extend may take.
    pub(crate) fn attempt_timeout(&self) -> Duration {
        self.attempt_timeout
    }

    /// A conforming create or extend came in: schedule from it alone.
    pub(crate) fn granted(
        &mut self,
        attempt: Attempt,
        remaining: Option<i64>,
        expires_at_ms: i64,
    ) -> Next {
        let rtt = attempt.received.saturating_sub(attempt.sent);
        self.max_rtt = self.max_rtt.max(rtt);
        self.last_window = None;
        self.immediate_retries = 0;
        match remaining {
            Some(ms) => self.primary(
                attempt,
                Duration::from_millis(ms.max(0).unsigned_abs()).saturating_sub(rtt),
            ),
            None => self.fallback(attempt, expires_at_ms),
        }
    }

    fn primary(&mut self, attempt: Attempt, floor: Duration) -> Next {
        self.lead = Lead::Known { floor, since: attempt.received };
        let reserve = self.attempt_budget().saturating_mul(2).saturating_add(self.margin());
        let delay = floor.saturating_sub(reserve);
        if !delay.is_zero() {
            self.zero_delays = 0;
            return Next::Extend(attempt.received + delay);
        }
        // spec: one immediate fresh extension after a zero delay, then stop.
        self.zero_delays += 1;
        match self.zero_delays {
            1 => Next::Extend(attempt.received),
            _ => Next::Stop("lease is shorter than its retry-safety budget"),
        }
    }

    /// spec: FALLBACK, for servers that do not say what is left.
    fn fallback(&mut self, attempt: Attempt, expires_at_ms: i64) -> Next {
        let held = (self.ttl / 2).min(MAX_RETRY_DELAY);
        let Lead::Fallback { expires_at_ms: Some(previous), since, .. } = self.lead else {
            self.lead = Lead::Fallback {
                expires_at_ms: Some(expires_at_ms),
                since: attempt.received,
                cadence: held,
            };
            return Next::Extend(attempt.received);
        };
        let grant =
            Duration::from_millis(expires_at_ms.saturating_sub(previous).max(0).unsigned_abs());
        let elapsed = attempt.received.saturating_sub(since);
        let echoes_elapsed = grant >= elapsed.mul_f64(0.75) && grant <= elapsed.mul_f64(1.25);
        let full = grant >= self.ttl.mul_f64(0.9);
        let cadence = if !full && (grant.is_zero() || echoes_elapsed) {
            held
        } else {
            (grant / 2).clamp(MIN_BUDGET, held.max(MIN_BUDGET))
        };
        self.lead =
            Lead::Fallback { expires_at_ms: Some(expires_at_ms), since: attempt.received, cadence };
        Next::Extend(attempt.received + cadence)
    }

    /// An extension failed at `now`.
    pub(crate) fn failed(&mut self, now: Duration, error: &Error) -> Next {
        if let Some(reason) = permanent(error) {
            return Next::Stop(reason);
        }
        let (floor, since) = match self.lead {
            Lead::Known { floor, since } => (floor, since),
            Lead::Fallback { cadence, .. } => return Next::Repeat(now + cadence / 4),
        };
        let lead = floor.saturating_sub(now.saturating_sub(since));
        let Some(window) = lead.checked_sub(self.attempt_budget() + self.margin()) else {
            return Next::Stop("no complete retry fits into the lease any more");
        };
        if self.last_window.is_some_and(|last| window >= last) {
            return Next::Stop("time does not pass between failures");
        }
        self.last_window = Some(window);
        if window.is_zero() {
            self.immediate_retries += 1;
            if self.immediate_retries > 1 {
                return Next::Stop("the last retry that fits has failed");
            }
        }
        if error.code() != ErrorCode::LimitExceeded && error.status() != Some(429) {
            return Next::Repeat(now + MAX_RETRY_DELAY.min(lead / 4).min(window));
        }
        match error.retry_after() {
            Some(wait) if wait <= window => Next::Repeat(now + wait),
            _ => Next::Stop("throttled for longer than the lease can wait"),
        }
    }

    fn attempt_budget(&self) -> Duration {
        self.attempt_timeout.max(self.margin())
    }

    fn margin(&self) -> Duration {
        MIN_BUDGET.max(self.max_rtt.saturating_mul(2))
    }
}

/// spec: conditions that are permanent for the reservation, and refusals that
/// an unchanged request would meet again.
fn permanent(error: &Error) -> Option<&'static str> {
    if error.kind() != ErrorKind::Refused {
        return (!matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::OutcomeUnknown))
            .then_some("the client cannot send the request");
    }
    let transient = error.code() == ErrorCode::LimitExceeded
        || error.status().is_some_and(|status| status >= 500 || status == 429);
    (!transient).then_some("the authority refused the extension")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;
    const NOW: Attempt = Attempt { sent: Duration::ZERO, received: Duration::ZERO };

    fn lease(ttl: u64, timeout: u64) -> Schedule {
        Schedule::new(MS(ttl), MS(timeout), NOW)
    }

    fn throttled(wait: Option<u64>) -> Error {
        let error = Error::new(ErrorCode::LimitExceeded, "slow down");
        wait.map_or(error.clone(), |ms| error.retry_after_hint(MS(ms)))
    }

    #[test]
    fn the_next_extension_leaves_room_for_two_attempts_and_a_margin() {
        let next = lease(60_000, 7_000).granted(NOW, Some(60_000), 0);
        assert_eq!(next, Next::Extend(MS(60_000 - (2 * 2_000 + 1_000))));
    }

    #[test]
    fn a_slow_answer_shrinks_the_lead_and_widens_the_margin() {
        let attempt = Attempt { sent: MS(0), received: MS(1_500) };
        let next = lease(60_000, 7_000).granted(attempt, Some(60_000), 0);
        // rtt 1,500: floor 58,500; margin 3,000; budget 3,000.
        assert_eq!(next, Next::Extend(MS(1_500 + 58_500 - 9_000)));
    }

    #[test]
    fn a_lease_that_stays_too_short_is_given_one_immediate_try() {
        let mut lease = lease(1_000, 7_000);
        assert_eq!(lease.granted(NOW, Some(1_000), 0), Next::Extend(MS(0)));
        assert!(matches!(lease.granted(NOW, Some(1_000), 0), Next::Stop(_)));
    }

    #[test]
    fn a_five_second_lease_is_kept() {
        assert_eq!(lease(5_000, 7_000).granted(NOW, Some(5_000), 0), Next::Extend(MS(2_000)));
    }

    #[test]
    fn failures_repeat_with_the_same_key_while_a_retry_provably_fits() {
        let mut lease = lease(60_000, 7_000);
        lease.granted(NOW, Some(60_000), 0);
        let broken = Error::outcome_unknown(None, "connection broke");
        // At 55,000 the lead is 5,000 and the window 2,000: a quarter of the lead.
        assert_eq!(lease.failed(MS(55_000), &broken), Next::Repeat(MS(56_250)));
        assert_eq!(lease.failed(MS(56_250), &broken), Next::Repeat(MS(56_250) + MS(750)));
        assert_eq!(lease.failed(MS(57_000), &broken), Next::Repeat(MS(57_000)));
        assert!(matches!(lease.failed(MS(57_000), &broken), Next::Stop(_)));
    }

    #[test]
    fn throttling_is_never_violated() {
        for (wait, fits) in [(Some(1_000), true), (Some(3_000), false), (None, false)] {
            let mut lease = lease(60_000, 7_000);
            lease.granted(NOW, Some(60_000), 0);
            let next = lease.failed(MS(55_000), &throttled(wait));
            assert_eq!(matches!(next, Next::Repeat(_)), fits, "{wait:?}");
        }
    }

    #[test]
    fn permanent_conditions_stop() {
        for code in [
            ErrorCode::ReservationExpired,
            ErrorCode::ReservationFinalized,
            ErrorCode::MaxExtensionsExceeded,
            ErrorCode::TenantClosed,
            ErrorCode::NotFound,
            ErrorCode::Forbidden,
        ] {
            let mut lease = lease(60_000, 7_000);
            lease.granted(NOW, Some(60_000), 0);
            assert!(
                matches!(lease.failed(MS(1), &Error::new(code, "no")), Next::Stop(_)),
                "{code}"
            );
        }
    }

    #[test]
    fn without_the_field_the_first_extension_is_immediate_and_then_follows_grants() {
        let mut lease = lease(20_000, 7_000);
        assert_eq!(lease.granted(NOW, None, 100_000), Next::Extend(MS(0)));
        let second = Attempt { sent: MS(0), received: MS(10) };
        assert_eq!(lease.granted(second, None, 120_000), Next::Extend(MS(10 + 10_000)));
        let clamped = Attempt { sent: MS(10_000), received: MS(10_010) };
        assert_eq!(lease.granted(clamped, None, 130_000), Next::Extend(MS(10_010 + 10_000)));
    }
}
