//! [`Authority`]: the one contract.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use crate::{
    Answer, BalanceParams, BalanceResponse, Call, CommitRequest, CommitResponse, DecisionRequest,
    DecisionResponse, Error, EventCreateRequest, EventCreateResponse, ExtendRequest,
    ExtendResponse, ListReservationsParams, ReleaseRequest, ReleaseResponse,
    ReservationCreateRequest, ReservationCreateResponse, ReservationDetail, ReservationId,
    ReservationListResponse,
};

/// A boxed future, so that [`Authority`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the nine operations answer.
pub type Answered<'a, T> = BoxFuture<'a, Result<Answer<T>, Error>>;

/// Decides whether money may be spent: remote over HTTP, or in process.
///
/// Every operation that changes something carries an idempotency key and may be
/// repeated with it; the first outcome is answered again.
pub trait Authority: Debug + Send + Sync + 'static {
    /// Holds the estimate on every budgeted scope, or changes nothing.
    fn create_reservation<'a>(
        &'a self,
        call: &'a Call,
        request: &'a ReservationCreateRequest,
    ) -> Answered<'a, ReservationCreateResponse>;

    /// Charges the actual and gives the rest back.
    fn commit<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: &'a CommitRequest,
    ) -> Answered<'a, CommitResponse>;

    /// Gives everything back.
    fn release<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ReleaseRequest,
    ) -> Answered<'a, ReleaseResponse>;

    /// Moves the expiry outward.
    fn extend<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ExtendRequest,
    ) -> Answered<'a, ExtendResponse>;

    /// Says what a reservation would be answered; holds nothing.
    fn decide<'a>(
        &'a self,
        call: &'a Call,
        request: DecisionRequest,
    ) -> Answered<'a, DecisionResponse>;

    /// Charges at once, without a reservation.
    fn create_event<'a>(
        &'a self,
        call: &'a Call,
        request: EventCreateRequest,
    ) -> Answered<'a, EventCreateResponse>;

    /// Reads balances.
    fn get_balances<'a>(
        &'a self,
        call: &'a Call,
        params: BalanceParams,
    ) -> Answered<'a, BalanceResponse>;

    /// Lists reservations.
    fn list_reservations<'a>(
        &'a self,
        call: &'a Call,
        params: ListReservationsParams,
    ) -> Answered<'a, ReservationListResponse>;

    /// Reads one reservation.
    fn get_reservation<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
    ) -> Answered<'a, ReservationDetail>;

    /// Answers a request in wire form: what low-level clients and the HTTP
    /// server speak. Refusals are answers too; `Err` means that no valid
    /// answer came.
    fn send<'a>(
        &'a self,
        call: &'a Call,
        request: RawRequest,
    ) -> BoxFuture<'a, Result<RawResponse, Error>> {
        Box::pin(async move { Ok(crate::dispatch::dispatch(self, call, request).await) })
    }

    /// Further calls carry another key. Whatever stands in front of a remote
    /// authority hands this on.
    ///
    /// # Errors
    /// Kind `Config` where calls carry no key, as in process, or for a key that
    /// no header can carry.
    fn set_api_key(&self, _api_key: &str) -> Result<(), Error> {
        Err(Error::config("this authority is not called with a key that can be replaced"))
    }
}

/// The nine runtime operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `POST /v1/reservations`
    CreateReservation,
    /// `POST /v1/reservations/{id}/commit`
    Commit,
    /// `POST /v1/reservations/{id}/release`
    Release,
    /// `POST /v1/reservations/{id}/extend`
    Extend,
    /// `POST /v1/decide`
    Decide,
    /// `POST /v1/events`
    CreateEvent,
    /// `GET /v1/balances`
    GetBalances,
    /// `GET /v1/reservations`
    ListReservations,
    /// `GET /v1/reservations/{id}`
    GetReservation,
}

impl Operation {
    /// All nine.
    pub const ALL: [Self; 9] = [
        Self::CreateReservation,
        Self::Commit,
        Self::Release,
        Self::Extend,
        Self::Decide,
        Self::CreateEvent,
        Self::GetBalances,
        Self::ListReservations,
        Self::GetReservation,
    ];

    /// The operation's name in snake case, as bindings spell it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CreateReservation => "create_reservation",
            Self::Commit => "commit",
            Self::Release => "release",
            Self::Extend => "extend",
            Self::Decide => "decide",
            Self::CreateEvent => "create_event",
            Self::GetBalances => "get_balances",
            Self::ListReservations => "list_reservations",
            Self::GetReservation => "get_reservation",
        }
    }

    /// Reads a name that [`as_str`](Self::as_str) gave.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == name)
    }

    /// Whether the operation carries a body (and with it an idempotency key).
    #[must_use]
    pub const fn has_body(self) -> bool {
        !matches!(self, Self::GetBalances | Self::ListReservations | Self::GetReservation)
    }

    /// Whether the operation names a reservation in its path.
    #[must_use]
    pub const fn names_reservation(self) -> bool {
        matches!(self, Self::Commit | Self::Release | Self::Extend | Self::GetReservation)
    }

    /// The HTTP method.
    #[must_use]
    pub const fn method(self) -> &'static str {
        if self.has_body() { "POST" } else { "GET" }
    }

    /// Whether `path` is this operation's, and the segment of it that names the
    /// reservation, as it was sent; empty where the operation names none.
    #[must_use]
    pub fn match_path(self, path: &str) -> Option<&str> {
        let tail = match self {
            Self::CreateReservation | Self::ListReservations => "reservations",
            Self::Decide => "decide",
            Self::CreateEvent => "events",
            Self::GetBalances => "balances",
            Self::Commit => "/commit",
            Self::Release => "/release",
            Self::Extend => "/extend",
            Self::GetReservation => "",
        };
        let rest = path.strip_prefix("/v1/")?;
        if !self.names_reservation() {
            return (rest == tail).then_some("");
        }
        let id = rest.strip_prefix("reservations/")?.strip_suffix(tail)?;
        // An empty id is an id that is wrong, but where it ends the path, there
        // is none.
        let is_missing = id.is_empty() && tail.is_empty();
        (!is_missing && !id.contains('/')).then_some(id)
    }

    /// The path, with the reservation's id percent-encoded into it.
    #[must_use]
    pub fn path(self, id: Option<&ReservationId>) -> String {
        let id = || id.map(|id| percent_encode(id.as_str())).unwrap_or_default();
        match self {
            Self::CreateReservation | Self::ListReservations => "/v1/reservations".to_owned(),
            Self::Commit => format!("/v1/reservations/{}/commit", id()),
            Self::Release => format!("/v1/reservations/{}/release", id()),
            Self::Extend => format!("/v1/reservations/{}/extend", id()),
            Self::GetReservation => format!("/v1/reservations/{}", id()),
            Self::Decide => "/v1/decide".to_owned(),
            Self::CreateEvent => "/v1/events".to_owned(),
            Self::GetBalances => "/v1/balances".to_owned(),
        }
    }
}

/// A request in wire form.
#[derive(Debug, Clone)]
pub struct RawRequest {
    /// Which operation.
    pub operation: Operation,
    /// Where the operation names a reservation.
    pub reservation_id: Option<ReservationId>,
    /// Query parameters, decoded.
    pub query: Vec<(String, String)>,
    /// `X-Idempotency-Key`, if sent.
    pub idempotency_header: Option<String>,
    /// JSON; empty for reads.
    pub body: Vec<u8>,
}

impl RawRequest {
    /// A request with a body or without any.
    #[must_use]
    pub fn new(operation: Operation, body: Vec<u8>) -> Self {
        Self { operation, reservation_id: None, query: Vec::new(), idempotency_header: None, body }
    }

    /// The same request on a reservation.
    #[must_use]
    pub fn on(mut self, id: &ReservationId) -> Self {
        self.reservation_id = Some(id.clone());
        self
    }

    /// The same request with query parameters.
    #[must_use]
    pub fn with_query(mut self, query: Vec<(String, String)>) -> Self {
        self.query = query;
        self
    }

    /// The path and query that it is sent to, percent-encoded.
    #[must_use]
    pub fn target(&self) -> String {
        let mut target = self.operation.path(self.reservation_id.as_ref());
        for (index, (name, value)) in self.query.iter().enumerate() {
            target.push(if index == 0 { '?' } else { '&' });
            target.push_str(&percent_encode(name));
            target.push('=');
            target.push_str(&percent_encode(value));
        }
        target
    }
}

/// An answer in wire form; refusals included.
#[derive(Debug, Clone)]
pub struct RawResponse {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

impl RawResponse {
    /// The value of a header; `name` in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the status is 2xx.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }
}

fn percent_encode(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_their_path_segment() {
        let id = ReservationId::new("a/../b?c#d");
        assert_eq!(
            Operation::GetReservation.path(Some(&id)),
            "/v1/reservations/a%2F..%2Fb%3Fc%23d"
        );
    }

    #[test]
    fn a_query_keeps_its_values_whatever_is_in_them() {
        let query = [("tag", "a&b=c d"), ("cursor", "x+/é"), ("empty", "")];
        let query = query.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let request = RawRequest::new(Operation::ListReservations, Vec::new()).with_query(query);
        assert_eq!(
            request.target(),
            "/v1/reservations?tag=a%26b%3Dc%20d&cursor=x%2B%2F%C3%A9&empty="
        );
    }

    #[test]
    fn every_path_is_found_again_and_no_other() {
        let id = ReservationId::new("res/1");
        for operation in Operation::ALL {
            let path = operation.path(Some(&id));
            for other in Operation::ALL {
                let is_same = other.path(Some(&id)) == path;
                assert_eq!(other.match_path(&path).is_some(), is_same, "{path}");
            }
            let segment = operation.match_path(&path).unwrap();
            assert_eq!(segment, if operation.names_reservation() { "res%2F1" } else { "" });
            for wrong in [format!("{path}/"), format!("/{path}"), path.replace("v1", "v2")] {
                assert_eq!(operation.match_path(&wrong), None, "{wrong}");
            }
        }
        assert_eq!(Operation::GetReservation.match_path("/v1/reservations/"), None);
        assert_eq!(Operation::Commit.match_path("/v1/reservations//commit"), Some(""));
    }

    #[test]
    fn names_round_trip() {
        for operation in Operation::ALL {
            assert_eq!(Operation::parse(operation.as_str()), Some(operation));
        }
    }
}
