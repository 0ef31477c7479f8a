//! [`LocalAuthority`]: the engine behind one API key.

use std::fmt;
use std::sync::Arc;

use cycles_protocol::authority::Answered;
use cycles_protocol::{
    Answer, Authority, BalanceParams, BalanceResponse, BoxFuture, Call, CommitRequest,
    CommitResponse, DecisionRequest, DecisionResponse, Error, EventCreateRequest,
    EventCreateResponse, ExtendRequest, ExtendResponse, ListReservationsParams, Principal,
    RawRequest, RawResponse, ReleaseRequest, ReleaseResponse, ReservationCreateRequest,
    ReservationCreateResponse, ReservationDetail, ReservationId, ReservationListResponse, dispatch,
};

use crate::Engine;
use crate::durability::Access;
use crate::store::{ApiKey, KeyHash};

/// An [`Engine`] behind one API key. The key is checked on every call, so it
/// acts as a server would: an expired key is refused from that moment.
#[derive(Clone)]
pub struct LocalAuthority {
    engine: Engine,
    key: KeyHash,
}

impl LocalAuthority {
    pub(crate) fn new(engine: Engine, api_key: &str) -> Self {
        Self { engine, key: KeyHash::of(api_key) }
    }

    /// The engine behind the key.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The call, by the key's principal.
    fn by_key(&self, call: &Call) -> Result<Call, Error> {
        Ok(call.clone().by(self.key()?.principal.clone()))
    }

    fn key(&self) -> Result<Arc<ApiKey>, Error> {
        self.engine.authenticate_key(&self.key)
    }

    /// Runs an operation when its future is polled, as the key's principal.
    fn run<'a, T: Send + 'a>(
        &'a self,
        call: &'a Call,
        access: Access,
        operation: impl FnOnce(&Engine, &Principal) -> Result<T, Error> + Send + 'a,
    ) -> Answered<'a, T> {
        Box::pin(async move {
            let as_key = || self.key().and_then(|key| operation(&self.engine, &key.principal));
            let outcome = match self.engine.store() {
                None => as_key(),
                Some(_) => self.engine.durably(access, as_key).await,
            };
            outcome
                .map(Answer::local)
                .map_err(|error| error.in_request(&call.request_id, &call.trace_id))
        })
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
        request: &'a ReservationCreateRequest,
    ) -> Answered<'a, ReservationCreateResponse> {
        self.run(call, Access::Changes, move |engine, principal| {
            engine.create_reservation_now(principal, request)
        })
    }

    fn commit<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: &'a CommitRequest,
    ) -> Answered<'a, CommitResponse> {
        self.run(call, Access::Changes, move |engine, principal| {
            engine.commit_now(principal, id, request)
        })
    }

    fn release<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ReleaseRequest,
    ) -> Answered<'a, ReleaseResponse> {
        self.run(call, Access::Changes, move |engine, _| {
            engine.release_now(&self.by_key(call)?, id, request)
        })
    }

    fn extend<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ExtendRequest,
    ) -> Answered<'a, ExtendResponse> {
        self.run(call, Access::Changes, move |engine, principal| {
            engine.extend_now(principal, id, request)
        })
    }

    fn decide<'a>(
        &'a self,
        call: &'a Call,
        request: DecisionRequest,
    ) -> Answered<'a, DecisionResponse> {
        self.run(call, Access::Changes, move |engine, principal| {
            engine.decide_now(principal, request)
        })
    }

    fn create_event<'a>(
        &'a self,
        call: &'a Call,
        request: EventCreateRequest,
    ) -> Answered<'a, EventCreateResponse> {
        self.run(call, Access::Changes, move |engine, principal| {
            engine.create_event_now(principal, request)
        })
    }

    fn get_balances<'a>(
        &'a self,
        call: &'a Call,
        params: BalanceParams,
    ) -> Answered<'a, BalanceResponse> {
        self.run(call, Access::Reads, move |engine, principal| {
            engine.get_balances_now(principal, &params)
        })
    }

    fn list_reservations<'a>(
        &'a self,
        call: &'a Call,
        params: ListReservationsParams,
    ) -> Answered<'a, ReservationListResponse> {
        Box::pin(async move {
            let listed = match self.key() {
                Ok(key) => self.engine.list_reservations_answer(&key.principal, params).await,
                Err(error) => Err(error),
            };
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
        self.run(call, Access::Reads, move |engine, principal| {
            engine.get_reservation_now(principal, id)
        })
    }

    fn send<'a>(
        &'a self,
        call: &'a Call,
        request: RawRequest,
    ) -> BoxFuture<'a, Result<RawResponse, Error>> {
        Box::pin(async move {
            Ok(match self.by_key(call) {
                Ok(call) => dispatch::dispatch(&self.engine, &call, request).await,
                Err(error) => {
                    dispatch::refuse(call, &error.in_request(&call.request_id, &call.trace_id))
                }
            })
        })
    }
}
