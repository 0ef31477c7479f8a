//! Stands in front of the authority: a span, a count and a duration for every
//! call, wherever in the core it comes from.

use std::sync::Arc;

use cycles_protocol::authority::Answered;
use cycles_protocol::{
    Answer, Authority, BoxFuture, Call, Clock, Error, ErrorKind, Operation, RawRequest,
    RawResponse, ReservationId,
};
use tracing::field::{Empty, display};
use tracing::{Instrument, Span};

use crate::guard::ReservationGuard;
use crate::layer::layer;
use crate::metrics;

/// An authority whose calls can be seen.
#[derive(Debug)]
pub(crate) struct Observed {
    authority: Arc<dyn Authority>,
    clock: Arc<dyn Clock>,
}

impl Observed {
    pub(crate) fn new(authority: Arc<dyn Authority>, clock: &Arc<dyn Clock>) -> Self {
        Self { authority, clock: Arc::clone(clock) }
    }

    /// Watches one call; `outcome` names what it came to.
    async fn watch<T>(
        &self,
        call: &Call,
        (operation, id): (Operation, Option<&ReservationId>),
        answer: impl Future<Output = T> + Send,
        outcome: impl Fn(&T) -> Outcome,
    ) -> T {
        let span = span(call, operation, id);
        let sent = self.clock.monotonic();
        let answer = answer.instrument(span.clone()).await;
        let took = self.clock.monotonic().saturating_sub(sent);
        let outcome = outcome(&answer);
        span.record("outcome", outcome.as_str());
        metrics::called(operation, outcome, took);
        answer
    }

    fn typed<'a, T: Send + 'a>(
        &'a self,
        call: &'a Call,
        on: (Operation, Option<&'a ReservationId>),
        answer: Answered<'a, T>,
    ) -> Answered<'a, T> {
        Box::pin(self.watch(call, on, answer, outcome))
    }

    fn raw<'a>(
        &'a self,
        call: &'a Call,
        request: RawRequest,
    ) -> BoxFuture<'a, Result<RawResponse, Error>> {
        let (operation, id) = (request.operation, request.reservation_id.clone());
        let answer = self.authority.send(call, request);
        Box::pin(
            async move { self.watch(call, (operation, id.as_ref()), answer, raw_outcome).await },
        )
    }
}

fn span(call: &Call, operation: Operation, id: Option<&ReservationId>) -> Span {
    let name = operation.as_str();
    tracing::info_span!(
        "cycles.call",
        otel.name = name,
        otel.kind = "client",
        operation = name,
        reservation_id = id.map(display),
        trace_id = &*call.trace_id,
        outcome = Empty,
    )
}

/// What a call came to, as its span and its metrics name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Ok,
    Refused,
    Failed,
    Unknown,
    Unreachable,
    NotSent,
}

impl Outcome {
    /// In the order of their declaration.
    #[cfg(feature = "metrics")]
    pub(crate) const ALL: [Self; 6] =
        [Self::Ok, Self::Refused, Self::Failed, Self::Unknown, Self::Unreachable, Self::NotSent];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Unreachable => "unreachable",
            Self::NotSent => "not_sent",
        }
    }
}

fn outcome<T>(answer: &Result<Answer<T>, Error>) -> Outcome {
    answer.as_ref().map_or_else(failure, |_| Outcome::Ok)
}

fn raw_outcome(answer: &Result<RawResponse, Error>) -> Outcome {
    match answer {
        Ok(response) => of_status(response.status),
        Err(error) => failure(error),
    }
}

fn failure(error: &Error) -> Outcome {
    match error.kind() {
        ErrorKind::Unreachable => Outcome::Unreachable,
        ErrorKind::OutcomeUnknown => Outcome::Unknown,
        ErrorKind::Refused => of_status(error.status().unwrap_or(error.code().status())),
        _ => Outcome::NotSent,
    }
}

const fn of_status(status: u16) -> Outcome {
    match status {
        200..300 => Outcome::Ok,
        500.. => Outcome::Failed,
        _ => Outcome::Refused,
    }
}

layer!(Observed);

/// Around a guarded call: its reserve, its work and its settlement.
pub(crate) fn guarded(kind: &str, name: &str) -> Span {
    tracing::info_span!(
        "cycles.guarded",
        action_kind = kind,
        action_name = name,
        reservation_id = Empty,
        trace_id = Empty,
    )
}

/// Around what keeps a lease, and so around its extensions.
pub(crate) fn lease(id: &ReservationId, trace_id: &str) -> Span {
    tracing::info_span!("cycles.lease", reservation_id = %id, trace_id)
}

/// Around a settlement and its repeats.
pub(crate) fn settle(id: &ReservationId, trace_id: &str) -> Span {
    tracing::info_span!("cycles.settle", reservation_id = %id, trace_id)
}

/// Says in the span of a guarded call what it has reserved.
pub(crate) fn guards(guard: &ReservationGuard) {
    let span = Span::current();
    span.record("reservation_id", display(guard.reservation_id()));
    span.record("trace_id", guard.trace_id());
}
