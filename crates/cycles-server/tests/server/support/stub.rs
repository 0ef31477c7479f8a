//! An authority that only does what a test tells it to, instead of deciding.

use std::sync::Arc;

use cycles_protocol::authority::Answered;
use cycles_protocol::{
    Authority, BalanceParams, BalanceResponse, BoxFuture, Call, CommitRequest, CommitResponse,
    DecisionRequest, DecisionResponse, Error, EventCreateRequest, EventCreateResponse,
    ExtendRequest, ExtendResponse, ListReservationsParams, RawRequest, RawResponse, ReleaseRequest,
    ReleaseResponse, ReservationCreateRequest, ReservationCreateResponse, ReservationDetail,
    ReservationId, ReservationListResponse,
};
use tokio::sync::Notify;

/// What the stub does with every request.
#[derive(Debug, Clone)]
pub(crate) enum Stub {
    /// Panics.
    Panics,
    /// Gives no valid answer.
    NoAnswer,
    /// Tells that a request came, then waits to be let on and answers `{}`.
    Waits { came: Arc<Notify>, go_on: Arc<Notify> },
}

macro_rules! only_sends {
    ($($name:ident($($type:ty),*) -> $answer:ty;)+) => {
        impl Authority for Stub {
            $(fn $name<'a>(&'a self, _: &'a Call, $(_: $type),*) -> Answered<'a, $answer> {
                Box::pin(async { Err(Error::unreachable("only raw requests")) })
            })+

            fn send<'a>(
                &'a self,
                _: &'a Call,
                _: RawRequest,
            ) -> BoxFuture<'a, Result<RawResponse, Error>> {
                Box::pin(async move {
                    match self {
                        Self::Panics => panic!("secret internals"),
                        Self::NoAnswer => Err(Error::unreachable("secret internals")),
                        Self::Waits { came, go_on } => {
                            came.notify_one();
                            go_on.notified().await;
                            Ok(RawResponse { status: 200, headers: vec![], body: b"{}".to_vec() })
                        }
                    }
                })
            }
        }
    };
}

only_sends! {
    create_reservation(&'a ReservationCreateRequest) -> ReservationCreateResponse;
    commit(&'a ReservationId, &'a CommitRequest) -> CommitResponse;
    release(&'a ReservationId, ReleaseRequest) -> ReleaseResponse;
    extend(&'a ReservationId, ExtendRequest) -> ExtendResponse;
    decide(DecisionRequest) -> DecisionResponse;
    create_event(EventCreateRequest) -> EventCreateResponse;
    get_balances(BalanceParams) -> BalanceResponse;
    list_reservations(ListReservationsParams) -> ReservationListResponse;
    get_reservation(&'a ReservationId) -> ReservationDetail;
}
