//! What stands in front of an authority: the nine operations, written once.

/// Makes `$layer` an authority whose `typed` gets every typed call and the answer
/// of its `authority`, which has not run yet, and whose `raw` sends what is in
/// wire form.
macro_rules! layer {
    ($layer:ty) => {
        $crate::layer::layer! { @ $layer;
            create_reservation(request: &'a ReservationCreateRequest)
                -> ReservationCreateResponse, CreateReservation, None;
            commit(id: &'a ReservationId, request: &'a CommitRequest)
                -> CommitResponse, Commit, Some(id);
            release(id: &'a ReservationId, request: ReleaseRequest)
                -> ReleaseResponse, Release, Some(id);
            extend(id: &'a ReservationId, request: ExtendRequest)
                -> ExtendResponse, Extend, Some(id);
            decide(request: DecisionRequest) -> DecisionResponse, Decide, None;
            create_event(request: EventCreateRequest) -> EventCreateResponse, CreateEvent, None;
            get_balances(params: BalanceParams) -> BalanceResponse, GetBalances, None;
            list_reservations(params: ListReservationsParams)
                -> ReservationListResponse, ListReservations, None;
            get_reservation(id: &'a ReservationId)
                -> ReservationDetail, GetReservation, Some(id);
        }
    };
    (@ $layer:ty; $($name:ident($($arg:ident: $type:ty),*)
        -> $answer:ident, $operation:ident, $id:expr;)+
    ) => {
        const _: () = {
            use cycles_protocol::authority::Answered;
            use cycles_protocol::{
                Authority, BalanceParams, BalanceResponse, BoxFuture, Call, CommitRequest,
                CommitResponse, DecisionRequest, DecisionResponse, Error, EventCreateRequest,
                EventCreateResponse, ExtendRequest, ExtendResponse, ListReservationsParams,
                Operation, RawRequest, RawResponse, ReleaseRequest, ReleaseResponse,
                ReservationCreateRequest, ReservationCreateResponse, ReservationDetail,
                ReservationId, ReservationListResponse,
            };

            impl Authority for $layer {
                $(fn $name<'a>(
                    &'a self,
                    call: &'a Call,
                    $($arg: $type),*
                ) -> Answered<'a, $answer> {
                    let answer = self.authority.$name(call, $($arg),*);
                    self.typed(call, (Operation::$operation, $id), answer)
                })+

                fn send<'a>(
                    &'a self,
                    call: &'a Call,
                    request: RawRequest,
                ) -> BoxFuture<'a, Result<RawResponse, Error>> {
                    self.raw(call, request)
                }

                fn set_api_key(&self, api_key: &str) -> Result<(), Error> {
                    self.authority.set_api_key(api_key)
                }
            }
        };
    };
}

pub(crate) use layer;
