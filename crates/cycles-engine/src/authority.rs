//! [`Authority`] over the engine: every operation runs inline when its future
//! is polled, and not before.

use cycles_protocol::authority::Answered;
use cycles_protocol::{
    Answer, Authority, BalanceParams, BalanceResponse, Call, CommitRequest, CommitResponse,
    DecisionRequest, DecisionResponse, Error, EventCreateRequest, EventCreateResponse,
    ExtendRequest, ExtendResponse, ListReservationsParams, ReleaseRequest, ReleaseResponse,
    ReservationCreateRequest, ReservationCreateResponse, ReservationDetail, ReservationId,
    ReservationListResponse,
};

use crate::Engine;

fn run<'a, T: 'a>(
    call: &'a Call,
    operation: impl FnOnce() -> Result<T, Error> + Send + 'a,
) -> Answered<'a, T> {
    Box::pin(async move {
        match operation() {
            Ok(value) => Ok(Answer::local(value)),
            Err(error) => Err(error.in_request(&call.request_id, &call.trace_id)),
        }
    })
}

impl Authority for Engine {
    fn create_reservation<'a>(
        &'a self,
        call: &'a Call,
        request: ReservationCreateRequest,
    ) -> Answered<'a, ReservationCreateResponse> {
        run(call, move || self.create_reservation_now(call, request))
    }

    fn commit<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: CommitRequest,
    ) -> Answered<'a, CommitResponse> {
        run(call, move || self.commit_now(call, id, request))
    }

    fn release<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ReleaseRequest,
    ) -> Answered<'a, ReleaseResponse> {
        run(call, move || self.release_now(call, id, request))
    }

    fn extend<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ExtendRequest,
    ) -> Answered<'a, ExtendResponse> {
        run(call, move || self.extend_now(call, id, request))
    }

    fn decide<'a>(
        &'a self,
        call: &'a Call,
        request: DecisionRequest,
    ) -> Answered<'a, DecisionResponse> {
        run(call, move || self.decide_now(call, request))
    }

    fn create_event<'a>(
        &'a self,
        call: &'a Call,
        request: EventCreateRequest,
    ) -> Answered<'a, EventCreateResponse> {
        run(call, move || self.create_event_now(call, request))
    }

    fn get_balances<'a>(
        &'a self,
        call: &'a Call,
        params: BalanceParams,
    ) -> Answered<'a, BalanceResponse> {
        run(call, move || self.get_balances_now(call, &params))
    }

    fn list_reservations<'a>(
        &'a self,
        call: &'a Call,
        params: ListReservationsParams,
    ) -> Answered<'a, ReservationListResponse> {
        run(call, move || self.list_reservations_now(call, &params))
    }

    fn get_reservation<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
    ) -> Answered<'a, ReservationDetail> {
        run(call, move || self.get_reservation_now(call, id))
    }
}
