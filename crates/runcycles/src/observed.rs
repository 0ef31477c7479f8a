//! Stands in front of the authority: a span, a count and a duration for every
//! call, wherever in the core it comes from.

use std::sync::Arc;

use cycles_protocol::authority::Answered;
use cycles_protocol::{
    Answer, Authority, BalanceParams, BalanceResponse, BoxFuture, Call, Clock, CommitRequest,
    CommitResponse, DecisionRequest, DecisionResponse, Error, ErrorKind, EventCreateRequest,
    EventCreateResponse, ExtendRequest, ExtendResponse, ListReservationsParams, Operation,
    RawRequest, RawResponse, ReleaseRequest, ReleaseResponse, ReservationCreateRequest,
    ReservationCreateResponse, ReservationDetail, ReservationId, ReservationListResponse,
};
use tracing::field::{Empty, display};
use tracing::{Instrument, Span};

use crate::guard::ReservationGuard;
use crate::metrics;

/// An authority whose calls can be seen.
#[derive(Debug)]
pub(crate) struct Observed {
    inner: Arc<dyn Authority>,
    clock: Arc<dyn Clock>,
}

impl Observed {
    pub(crate) fn new(inner: Arc<dyn Authority>, clock: &Arc<dyn Clock>) -> Self {
        Self { inner, clock: Arc::clone(clock) }
    }

    /// Watches one call; `outcome` names what it came to.
    async fn watch<T>(
        &self,
        call: &Call,
        (operation, id): (Operation, Option<&ReservationId>),
        answer: impl Future<Output = T> + Send,
        outcome: impl Fn(&T) -> &'static str,
    ) -> T {
        let span = span(call, operation, id);
        let sent = self.clock.monotonic();
        let answer = answer.instrument(span.clone()).await;
        let took = self.clock.monotonic().saturating_sub(sent);
        let outcome = outcome(&answer);
        span.record("outcome", outcome);
        metrics::called(operation, outcome, took);
        answer
    }

    fn typed<'a, T: Send + 'a>(
        &'a self,
        call: &'a Call,
        operation: Operation,
        id: Option<&'a ReservationId>,
        answer: Answered<'a, T>,
    ) -> Answered<'a, T> {
        Box::pin(self.watch(call, (operation, id), answer, outcome))
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
        trace_id = call.trace_id,
        outcome = Empty,
    )
}

fn outcome<T>(answer: &Result<Answer<T>, Error>) -> &'static str {
    answer.as_ref().map_or_else(failure, |_| "ok")
}

fn raw_outcome(answer: &Result<RawResponse, Error>) -> &'static str {
    match answer {
        Ok(response) => of_status(response.status),
        Err(error) => failure(error),
    }
}

fn failure(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::Unreachable => "unreachable",
        ErrorKind::OutcomeUnknown => "unknown",
        ErrorKind::Refused => of_status(error.status().unwrap_or(error.code().status())),
        _ => "not_sent",
    }
}

fn of_status(status: u16) -> &'static str {
    match status {
        200..300 => "ok",
        500.. => "failed",
        _ => "refused",
    }
}

macro_rules! watched {
    ($($name:ident($($arg:ident: $type:ty),*) -> $answer:ty, $operation:ident, $id:expr;)+) => {
        impl Authority for Observed {
            $(fn $name<'a>(&'a self, call: &'a Call, $($arg: $type),*) -> Answered<'a, $answer> {
                let answer = self.inner.$name(call, $($arg),*);
                self.typed(call, Operation::$operation, $id, answer)
            })+

            fn set_api_key(&self, api_key: &str) -> Result<(), Error> {
                self.inner.set_api_key(api_key)
            }

            fn send<'a>(
                &'a self,
                call: &'a Call,
                request: RawRequest,
            ) -> BoxFuture<'a, Result<RawResponse, Error>> {
                let (operation, id) = (request.operation, request.reservation_id.clone());
                let answer = self.inner.send(call, request);
                Box::pin(async move {
                    self.watch(call, (operation, id.as_ref()), answer, raw_outcome).await
                })
            }
        }
    };
}

watched! {
    create_reservation(request: ReservationCreateRequest)
        -> ReservationCreateResponse, CreateReservation, None;
    commit(id: &'a ReservationId, request: CommitRequest) -> CommitResponse, Commit, Some(id);
    release(id: &'a ReservationId, request: ReleaseRequest) -> ReleaseResponse, Release, Some(id);
    extend(id: &'a ReservationId, request: ExtendRequest) -> ExtendResponse, Extend, Some(id);
    decide(request: DecisionRequest) -> DecisionResponse, Decide, None;
    create_event(request: EventCreateRequest) -> EventCreateResponse, CreateEvent, None;
    get_balances(params: BalanceParams) -> BalanceResponse, GetBalances, None;
    list_reservations(params: ListReservationsParams)
        -> ReservationListResponse, ListReservations, None;
    get_reservation(id: &'a ReservationId) -> ReservationDetail, GetReservation, Some(id);
}

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
