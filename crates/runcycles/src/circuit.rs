//! The circuit breaker: an authority that keeps failing is not asked for a
//! while, so that callers learn at once what they would learn after a timeout.
//!
//! Only what decides or reads passes through it. Settlement (commit, event,
//! release) and extensions always leave: a spend or a lease must not wait for
//! somebody else's failures.

use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::authority::Answered;
use cycles_protocol::{
    Authority, BoxFuture, Call, Clock, Error, ErrorKind, Operation, RawRequest, RawResponse,
    ReservationId,
};
use parking_lot::Mutex;

use crate::client::CyclesClient;
use crate::layer::layer;
use crate::metrics;

/// Failures in a row count only once the first is this old: a restart of the
/// server under many calls in flight is not an outage.
const MIN_OUTAGE: Duration = Duration::from_secs(1);
/// Set in the details of the error of an open circuit; wall time.
const DETAIL: &str = "circuit_open_since_ms";

/// Whether the authority is asked at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CircuitState {
    /// It is.
    Closed,
    /// It has kept failing and is not asked.
    Open {
        /// How long it has not been asked.
        since: Duration,
        /// When one call is let through to try.
        retry_in: Duration,
    },
    /// One call has been let through; its answer decides.
    HalfOpen {
        /// How long the authority has not been asked otherwise.
        since: Duration,
    },
}

/// Whether an error means that the authority did not answer: it was not
/// reached, or what came is a server error or nothing that it would say. A 429
/// or another 4xx is an answer.
pub(crate) fn is_unreachable(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Unreachable => true,
        ErrorKind::OutcomeUnknown | ErrorKind::Refused => match error.status() {
            Some(status) => is_failure(status) || (200..400).contains(&status),
            None => error.kind() == ErrorKind::OutcomeUnknown,
        },
        _ => false,
    }
}

const fn is_failure(status: u16) -> bool {
    status >= 500
}

/// Whether the call was not made because the circuit is open.
pub(crate) fn is_open(error: &Error) -> bool {
    error.details().is_some_and(|details| details.contains_key(DETAIL))
}

/// Counts failures and says whether to ask.
#[derive(Debug)]
pub(crate) struct Breaker {
    failures: u32,
    cooldown: Duration,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Closed { failures: u32, first: Duration },
    Open(Open),
}

#[derive(Debug)]
struct Open {
    since: Duration,
    since_ms: i64,
    /// When the next call is let through. One that is lost on the way (a
    /// cancelled caller) is followed by the next after another pause.
    until: Duration,
    probing: bool,
    last: String,
}

impl State {
    const CLOSED: Self = Self::Closed { failures: 0, first: Duration::ZERO };
}

impl Breaker {
    /// Opens after `failures` in a row, and lets one call through after at most
    /// `cooldown`.
    pub(crate) fn new(failures: u32, cooldown: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { failures, cooldown, clock, state: Mutex::new(State::CLOSED) }
    }

    pub(crate) fn state(&self) -> CircuitState {
        let now = self.clock.monotonic();
        match &*self.state.lock() {
            State::Closed { .. } => CircuitState::Closed,
            State::Open(open) if open.probing && now < open.until => {
                CircuitState::HalfOpen { since: now.saturating_sub(open.since) }
            }
            State::Open(open) => CircuitState::Open {
                since: now.saturating_sub(open.since),
                retry_in: open.until.saturating_sub(now),
            },
        }
    }

    /// Whether a call may leave.
    ///
    /// # Errors
    /// Kind `Unreachable`, saying since when and when it is tried again.
    pub(crate) fn admit(&self, operation: Operation) -> Result<(), Error> {
        let State::Open(open) = &mut *self.state.lock() else { return Ok(()) };
        let now = self.clock.monotonic();
        if now >= open.until {
            open.until = now + self.pause();
            open.probing = true;
            return Ok(());
        }
        metrics::short_circuited(operation);
        Err(open.error(now))
    }

    /// The authority answered, whatever it said.
    pub(crate) fn answered(&self) {
        let mut state = self.state.lock();
        if let State::Open(open) = &*state {
            let for_ms = self.clock.monotonic().saturating_sub(open.since).as_millis();
            tracing::info!(for_ms, "authority answers again");
            metrics::circuit_closed();
        }
        *state = State::CLOSED;
    }

    /// It did not, or failed.
    pub(crate) fn failed(&self, reason: &str) {
        let now = self.clock.monotonic();
        let mut state = self.state.lock();
        match &mut *state {
            State::Closed { failures, first } => {
                if *failures == 0 {
                    *first = now;
                }
                *failures = failures.saturating_add(1);
                if *failures < self.failures || now.saturating_sub(*first) < MIN_OUTAGE {
                    return;
                }
                tracing::warn!(
                    failures,
                    reason,
                    "authority keeps failing and is not asked for now"
                );
                metrics::circuit_opened();
                *state = State::Open(Open {
                    since: now,
                    since_ms: self.clock.now_ms(),
                    until: now + self.pause(),
                    probing: false,
                    last: reason.to_owned(),
                });
            }
            State::Open(open) if open.probing => {
                open.until = now + self.pause();
                open.probing = false;
                reason.clone_into(&mut open.last);
            }
            // Left before the circuit opened.
            State::Open(_) => {}
        }
    }

    fn judge<T>(&self, answer: &Result<T, Error>) {
        match answer {
            Err(error) if is_unreachable(error) => self.failed(error.message()),
            // Nothing was sent: that says nothing about the authority.
            Err(error) if error.kind() != ErrorKind::Refused && error.status().is_none() => {}
            _ => self.answered(),
        }
    }

    /// Between half the pause and the whole: clients that lost the authority
    /// together do not return together.
    fn pause(&self) -> Duration {
        self.cooldown.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

impl Drop for Breaker {
    fn drop(&mut self) {
        if matches!(self.state.get_mut(), State::Open(_)) {
            metrics::circuit_gone();
        }
    }
}

impl Open {
    fn error(&self, now: Duration) -> Error {
        let retry_in = self.until.saturating_sub(now);
        Error::unreachable(format!(
            "authority kept failing and is not asked for now open_for_ms={} retry_in_ms={} last={:?}",
            now.saturating_sub(self.since).as_millis(),
            retry_in.as_millis(),
            self.last,
        ))
        .detail(DETAIL, self.since_ms)
        .retry_after_hint(retry_in)
    }
}

impl CyclesClient {
    /// Whether the authority is asked at present; always, in process or where
    /// the circuit breaker is switched off.
    #[must_use]
    pub fn circuit(&self) -> CircuitState {
        self.breaker().map_or(CircuitState::Closed, Breaker::state)
    }

    /// A call that was given up has not been answered.
    pub(crate) fn note_timeout(&self, operation: Operation, error: &Error) {
        if let (true, Some(breaker)) = (is_guarded(operation), self.breaker()) {
            breaker.failed(error.message());
        }
    }
}

/// An authority behind a breaker.
#[derive(Debug)]
pub(crate) struct Guarded {
    authority: Arc<dyn Authority>,
    breaker: Arc<Breaker>,
}

impl Guarded {
    pub(crate) fn new(authority: Arc<dyn Authority>, breaker: Arc<Breaker>) -> Self {
        Self { authority, breaker }
    }

    fn typed<'a, T: Send + 'a>(
        &'a self,
        _call: &'a Call,
        (operation, _): (Operation, Option<&'a ReservationId>),
        answer: Answered<'a, T>,
    ) -> Answered<'a, T> {
        if !is_guarded(operation) {
            return answer;
        }
        Box::pin(async move {
            self.breaker.admit(operation)?;
            let answer = answer.await;
            self.breaker.judge(&answer);
            answer
        })
    }

    fn raw<'a>(
        &'a self,
        call: &'a Call,
        request: RawRequest,
    ) -> BoxFuture<'a, Result<RawResponse, Error>> {
        if !is_guarded(request.operation) {
            return self.authority.send(call, request);
        }
        Box::pin(async move {
            self.breaker.admit(request.operation)?;
            let answer = self.authority.send(call, request).await;
            match &answer {
                Ok(response) if is_failure(response.status) => {
                    self.breaker.failed(&format!("status={}", response.status));
                }
                answer => self.breaker.judge(answer),
            }
            answer
        })
    }
}

/// Whether an operation waits for a circuit to close.
const fn is_guarded(operation: Operation) -> bool {
    !matches!(
        operation,
        Operation::Commit | Operation::CreateEvent | Operation::Release | Operation::Extend
    )
}

layer!(Guarded);

#[cfg(test)]
mod tests;
