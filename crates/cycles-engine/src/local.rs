//! [`LocalAuthority`]: the engine behind one API key.

use std::fmt;

use cycles_protocol::authority::Answered;
use cycles_protocol::{
    Authority, BalanceParams, BalanceResponse, BoxFuture, Call, CommitRequest, CommitResponse,
    Control, DecisionRequest, DecisionResponse, Error, EventCreateRequest, EventCreateResponse,
    ExtendRequest, ExtendResponse, ListReservationsParams, RawRequest, RawResponse, ReleaseRequest,
    ReleaseResponse, ReservationCreateRequest, ReservationCreateResponse, ReservationDetail,
    ReservationId, ReservationListResponse, dispatch,
};

use crate::Engine;

/// An [`Engine`] behind one API key. The key is checked on every call, so it
/// acts as a server would: an expired key is refused from that moment.
#[derive(Clone)]
pub struct LocalAuthority {
    engine: Engine,
    api_key: String,
}

impl LocalAuthority {
    pub(crate) const fn new(engine: Engine, api_key: String) -> Self {
        Self { engine, api_key }
    }

    /// The engine behind the key.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    fn by_key(&self, call: &Call) -> Result<Call, Error> {
        match self.engine.authenticate(&self.api_key) {
            Ok(principal) => Ok(call.clone().by(principal)),
            Err(error) => Err(error.in_request(&call.request_id, &call.trace_id)),
        }
    }
}

// The key is a secret.
impl fmt::Debug for LocalAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalAuthority").field("engine", &self.engine).finish_non_exhaustive()
    }
}

impl Authority for LocalAuthority {
    fn create_reservation<'a>(
        &'a self,
        call: &'a Call,
        request: ReservationCreateRequest,
    ) -> Answered<'a, ReservationCreateResponse> {
        Box::pin(async move { self.engine.create_reservation(&self.by_key(call)?, request).await })
    }

    fn commit<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: CommitRequest,
    ) -> Answered<'a, CommitResponse> {
        Box::pin(async move { self.engine.commit(&self.by_key(call)?, id, request).await })
    }

    fn release<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ReleaseRequest,
    ) -> Answered<'a, ReleaseResponse> {
        Box::pin(async move { self.engine.release(&self.by_key(call)?, id, request).await })
    }

    fn extend<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ExtendRequest,
    ) -> Answered<'a, ExtendResponse> {
        Box::pin(async move { self.engine.extend(&self.by_key(call)?, id, request).await })
    }

    fn decide<'a>(
        &'a self,
        call: &'a Call,
        request: DecisionRequest,
    ) -> Answered<'a, DecisionResponse> {
        Box::pin(async move { self.engine.decide(&self.by_key(call)?, request).await })
    }

    fn create_event<'a>(
        &'a self,
        call: &'a Call,
        request: EventCreateRequest,
    ) -> Answered<'a, EventCreateResponse> {
        Box::pin(async move { self.engine.create_event(&self.by_key(call)?, request).await })
    }

    fn get_balances<'a>(
        &'a self,
        call: &'a Call,
        params: BalanceParams,
    ) -> Answered<'a, BalanceResponse> {
        Box::pin(async move { self.engine.get_balances(&self.by_key(call)?, params).await })
    }

    fn list_reservations<'a>(
        &'a self,
        call: &'a Call,
        params: ListReservationsParams,
    ) -> Answered<'a, ReservationListResponse> {
        Box::pin(async move { self.engine.list_reservations(&self.by_key(call)?, params).await })
    }

    fn get_reservation<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
    ) -> Answered<'a, ReservationDetail> {
        Box::pin(async move { self.engine.get_reservation(&self.by_key(call)?, id).await })
    }

    fn send<'a>(
        &'a self,
        call: &'a Call,
        request: RawRequest,
    ) -> BoxFuture<'a, Result<RawResponse, Error>> {
        Box::pin(async move {
            Ok(match self.by_key(call) {
                Ok(call) => dispatch::dispatch(&self.engine, &call, request).await,
                Err(error) => dispatch::refuse(call, &error),
            })
        })
    }
}
