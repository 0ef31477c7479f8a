//! When to extend a lease: the spec's HEARTBEAT GUIDANCE as arithmetic, without
//! I/O. Times are spans on the client's own monotonic clock.

use std::time::Duration;

use cycles_protocol::{Error, ErrorCode, ErrorKind};

/// spec: lower bound of `attempt_budget` and `safety_margin`.
const MIN_BUDGET: Duration = Duration::from_secs(1);
/// spec: upper bound of `retry_delay`, and of the fallback's held cadence.
const MAX_RETRY_DELAY: Duration = Duration::from_secs(30);
/// The longest that one extend may take unless set. Short, so that short leases can be kept.
const MAX_ATTEMPT: Duration = Duration::from_secs(2);
/// Beats are early by at most one part in this many: leases that were granted
/// together spread. Never late: the lease's margin belongs to the network.
const EARLINESS: u32 = 20;

/// The longest that one extend of a lease of `ttl` may take unless set: within
/// what any call may take, and a fifth of the lease, but a second where the
/// lease is short. A lease of 5 s then holds two attempts and a margin.
pub(crate) fn extend_timeout(attempt_timeout: Duration, ttl: Duration) -> Duration {
    attempt_timeout.min(MAX_ATTEMPT).min((ttl / 5).max(MIN_BUDGET))
}

/// A moment up to `at`, early by `fraction` (0 to 1) of what is allowed.
pub(crate) fn early(at: Duration, now: Duration, fraction: f64) -> Duration {
    let most = at.saturating_sub(now) / EARLINESS;
    at.saturating_sub(most.mul_f64(fraction.clamp(0.0, 1.0)))
}

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
    /// It does not.
    Fallback(Fallback),
}

/// What can be known of a lease whose end nobody tells.
#[derive(Debug, Clone, Copy)]
struct Fallback {
    /// The expiry as last answered, on the authority's clock.
    expires_at_ms: Option<i64>,
    /// When the create was answered, and all that extensions granted since: the
    /// lease lasts at least until the one plus the other.
    created: Duration,
    grants: Duration,
    /// The last success, and the beat in force.
    since: Duration,
    cadence: Duration,
}

impl Fallback {
    fn unknown(ttl: Duration, created: Duration) -> Self {
        Self {
            expires_at_ms: None,
            created,
            grants: Duration::ZERO,
            since: created,
            cadence: held_cadence(ttl),
        }
    }
}

impl Schedule {
    /// A lease just granted; `ttl` is what each extension asks for, and
    /// `attempt_timeout` the longest that it may take.
    pub(crate) fn new(ttl: Duration, attempt_timeout: Duration, granted: Attempt) -> Self {
        Self {
            ttl,
            attempt_timeout,
            max_rtt: Duration::ZERO,
            lead: Lead::Fallback(Fallback::unknown(ttl, granted.received)),
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
        let received = attempt.received;
        let Lead::Fallback(Fallback {
            expires_at_ms: Some(previous),
            mut grants,
            created,
            since,
            ..
        }) = self.lead
        else {
            self.lead = Lead::Fallback(Fallback {
                expires_at_ms: Some(expires_at_ms),
                ..Fallback::unknown(self.ttl, received)
            });
            return Next::Extend(received);
        };
        let grant =
            Duration::from_millis(expires_at_ms.saturating_sub(previous).max(0).unsigned_abs());
        let elapsed = received.saturating_sub(since);
        let held = self.is_held(grant, elapsed);
        grants = grants.saturating_add(grant);
        let cadence = if held {
            held_cadence(self.ttl)
        } else {
            (grant / 2).clamp(MIN_BUDGET, held_cadence(self.ttl).max(MIN_BUDGET))
        };
        let expires_at_ms = Some(expires_at_ms);
        self.lead =
            Lead::Fallback(Fallback { expires_at_ms, created, grants, since: received, cadence });
        // Skipping a beat where enough is left keeps the expiry from drifting outward.
        let least = grants.saturating_sub(received.saturating_sub(created));
        let skip = !held && least >= grant.mul_f64(1.5);
        let delay = if skip { cadence * 2 } else { cadence };
        // Counted from the sending: slow answers must not eat into the lease.
        Next::Extend(attempt.sent.saturating_add(delay).max(received))
    }

    /// Whether the grant only echoes the time between two extensions, as of an
    /// authority that holds the expiry at most so far ahead.
    fn is_held(&self, grant: Duration, elapsed: Duration) -> bool {
        let full = grant >= self.ttl.mul_f64(0.9);
        let echoes = grant >= elapsed.mul_f64(0.75) && grant <= elapsed.mul_f64(1.25);
        !full && (grant.is_zero() || echoes)
    }

    /// An extension failed at `now`.
    pub(crate) fn failed(&mut self, now: Duration, error: &Error) -> Next {
        if let Some(reason) = permanent(error) {
            return Next::Stop(reason);
        }
        let (floor, since) = match self.lead {
            Lead::Known { floor, since } => (floor, since),
            Lead::Fallback(lease) => {
                let wait = error.retry_after().unwrap_or_default().max(lease.cadence / 4);
                return Next::Repeat(now.saturating_add(wait));
            }
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

/// spec: the cadence that is held where grants say nothing about the lease.
fn held_cadence(ttl: Duration) -> Duration {
    (ttl / 2).min(MAX_RETRY_DELAY)
}

/// Whether a refusal says that the lease has ended, and not only that it cannot
/// be made longer.
pub(crate) fn has_ended(error: &Error) -> bool {
    error.kind() == ErrorKind::Refused
        && (matches!(
            error.code(),
            ErrorCode::ReservationExpired
                | ErrorCode::ReservationFinalized
                | ErrorCode::NotFound
                | ErrorCode::TenantClosed
        ) || error.status() == Some(410))
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
mod tests;
