//! [`Authority`] over the engine: every operation runs inline when its future
//! is polled, and not before. Where a store keeps the ledger, the answer waits for it.

use cycles_protocol::authority::Answered;
use cycles_protocol::{
    Answer, Authority, BalanceParams, BalanceResponse, Call, CommitRequest, CommitResponse,
    DecisionRequest, DecisionResponse, Error, EventCreateRequest, EventCreateResponse,
    ExtendRequest, ExtendResponse, ListReservationsParams, ReleaseRequest, ReleaseResponse,
    ReservationCreateRequest, ReservationCreateResponse, ReservationDetail, ReservationId,
    ReservationListResponse,
};

use crate::Engine;
use crate::durability::Access;

fn run<'a, T: Send + 'a>(
    engine: &'a Engine,
    call: &'a Call,
    access: Access,
    operation: impl FnOnce() -> Result<T, Error> + Send + 'a,
) -> Answered<'a, T> {
    Box::pin(async move {
        match engine.durably(access, operation).await {
            Ok(value) => Ok(Answer::local(value)),
            Err(error) => Err(error.in_request(&call.request_id, &call.trace_id)),
        }
    })
}

impl Authority for Engine {
    fn create_reservation<'a>(
        &'a self,
        call: &'a Call,
        request: &'a ReservationCreateRequest,
    ) -> Answered<'a, ReservationCreateResponse> {
        run(self, call, Access::Changes, move || {
            self.create_reservation_now(&call.principal, request)
        })
    }

    fn commit<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: &'a CommitRequest,
    ) -> Answered<'a, CommitResponse> {
        run(self, call, Access::Changes, move || self.commit_now(&call.principal, id, request))
    }

    fn release<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ReleaseRequest,
    ) -> Answered<'a, ReleaseResponse> {
        run(self, call, Access::Changes, move || self.release_now(call, id, request))
    }

    fn extend<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ExtendRequest,
    ) -> Answered<'a, ExtendResponse> {
        run(self, call, Access::Changes, move || self.extend_now(&call.principal, id, request))
    }

    fn decide<'a>(
        &'a self,
        call: &'a Call,
        request: DecisionRequest,
    ) -> Answered<'a, DecisionResponse> {
        run(self, call, Access::Changes, move || self.decide_now(&call.principal, request))
    }

    fn create_event<'a>(
        &'a self,
        call: &'a Call,
        request: EventCreateRequest,
    ) -> Answered<'a, EventCreateResponse> {
        run(self, call, Access::Changes, move || self.create_event_now(&call.principal, request))
    }

    fn get_balances<'a>(
        &'a self,
        call: &'a Call,
        params: BalanceParams,
    ) -> Answered<'a, BalanceResponse> {
        run(self, call, Access::Reads, move || self.get_balances_now(&call.principal, &params))
    }

    fn list_reservations<'a>(
        &'a self,
        call: &'a Call,
        params: ListReservationsParams,
    ) -> Answered<'a, ReservationListResponse> {
        Box::pin(async move {
            let listed = self.list_reservations_answer(&call.principal, params).await;
            listed
                .map(Answer::local)
                .map_err(|error| error.in_request(&call.request_id, &call.trace_id))
        })
    }

    fn get_reservation<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
    ) -> Answered<'a, ReservationDetail> {
        run(self, call, Access::Reads, move || self.get_reservation_now(&call.principal, id))
    }
}
