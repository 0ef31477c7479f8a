//! What stands in front of another authority: the nine operations, written once.

/// Makes `$wrapper` an authority whose `answered` gets every typed call and the
/// answer of its `inner`, which has not run yet. Further methods of the trait
/// stand in the braces.
macro_rules! wraps {
    ($wrapper:ty { $($further:item)* }) => {
        $crate::wrapper::wraps! { @ $wrapper { $($further)* }
            create_reservation(request: &'a ReservationCreateRequest)
                -> ReservationCreateResponse, CreateReservation;
            commit(id: &'a ReservationId, request: &'a CommitRequest) -> CommitResponse, Commit;
            release(id: &'a ReservationId, request: ReleaseRequest) -> ReleaseResponse, Release;
            extend(id: &'a ReservationId, request: ExtendRequest) -> ExtendResponse, Extend;
            decide(request: DecisionRequest) -> DecisionResponse, Decide;
            create_event(request: EventCreateRequest) -> EventCreateResponse, CreateEvent;
            get_balances(params: BalanceParams) -> BalanceResponse, GetBalances;
            list_reservations(params: ListReservationsParams)
                -> ReservationListResponse, ListReservations;
            get_reservation(id: &'a ReservationId) -> ReservationDetail, GetReservation;
        }
    };
    (@ $wrapper:ty { $($further:item)* }
        $($name:ident($($arg:ident: $type:ty),*) -> $answer:ident, $operation:ident;)+
    ) => {
        const _: () = {
            use cycles_protocol::authority::Answered;
            use cycles_protocol::{
                BalanceParams, BalanceResponse, CommitRequest, CommitResponse, DecisionRequest,
                DecisionResponse, Error, EventCreateRequest, EventCreateResponse, ExtendRequest,
                ExtendResponse, ListReservationsParams, ReleaseRequest, ReleaseResponse,
                ReservationCreateRequest, ReservationCreateResponse, ReservationDetail,
                ReservationId, ReservationListResponse,
            };

            impl Authority for $wrapper {
                $(fn $name<'a>(
                    &'a self,
                    call: &'a Call,
                    $($arg: $type),*
                ) -> Answered<'a, $answer> {
                    let answer = self.inner.$name(call, $($arg),*);
                    Box::pin(self.answered(call, Operation::$operation, answer))
                })+

                fn set_api_key(&self, api_key: &str) -> Result<(), Error> {
                    self.inner.set_api_key(api_key)
                }

                $($further)*
            }
        };
    };
}

pub(crate) use wraps;
