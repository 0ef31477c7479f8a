//! The authority over HTTP.

mod direct;
mod transport;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::authority::Answered;
use cycles_protocol::{
    Answer, Authority, BalanceParams, BalanceResponse, BoxFuture, Call, CommitRequest,
    CommitResponse, Conforms, DecisionRequest, DecisionResponse, Error, EventCreateRequest,
    EventCreateResponse, ExtendRequest, ExtendResponse, HttpAnswer, IdempotencyKey,
    ListReservationsParams, Operation, RawRequest, RawResponse, ReleaseRequest, ReleaseResponse,
    ReservationCreateRequest, ReservationCreateResponse, ReservationDetail, ReservationId,
    ReservationListResponse, conforms, headers,
};
use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use parking_lot::{Mutex, RwLock};
use serde::Serialize;

use crate::base_url;
use crate::certificates::Certificates;
use crate::config::CyclesConfig;
use crate::traces;
use transport::{Failure, Outgoing, Transport};

// Read once: names that come as text are looked up with every request.
static API_KEY: HeaderName = HeaderName::from_static(headers::API_KEY);
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static(headers::IDEMPOTENCY_KEY);
static TRACE_ID: HeaderName = HeaderName::from_static(headers::TRACE_ID);
static TRACEPARENT: HeaderName = HeaderName::from_static(headers::TRACEPARENT);
static JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A remote authority. Cheap to clone; connections are pooled and made lazily.
#[derive(Debug, Clone)]
pub struct HttpAuthority {
    inner: Arc<Inner>,
}

struct Inner {
    base_url: String,
    config: CyclesConfig,
    /// The configured key, until another takes its place.
    api_key: RwLock<Arc<str>>,
    certificates: Certificates,
    /// The caller's own client.
    given: Option<reqwest::Client>,
    /// Tagged with the process that built it: a forked child builds its own.
    transport: Mutex<Option<(u32, Arc<Transport>)>>,
}

impl Inner {
    fn transport(&self) -> Result<Transport, Error> {
        check(self)?;
        match &self.given {
            Some(given) => Ok(Transport::Client(given.clone())),
            None => Transport::new(&self.base_url, &self.config, &self.certificates),
        }
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl HttpAuthority {
    /// Connects to `config.base_url` with `config.api_key`, on the first call.
    #[must_use]
    pub fn new(config: CyclesConfig) -> Self {
        Self::with(config, Certificates::default(), None)
    }

    fn with(
        config: CyclesConfig,
        certificates: Certificates,
        given: Option<reqwest::Client>,
    ) -> Self {
        let base_url = base_url::trimmed(&config.base_url);
        let api_key = RwLock::new(config.api_key.as_str().into());
        let transport = Mutex::new(None);
        Self {
            inner: Arc::new(Inner { base_url, config, api_key, certificates, given, transport }),
        }
    }

    /// The same, trusting `certificates` besides the platform's.
    pub(crate) fn trusting(&self, certificates: Certificates) -> Self {
        Self::with(self.inner.config.clone(), certificates, self.inner.given.clone())
    }

    /// The same, over the caller's own client.
    pub(crate) fn through(&self, client: reqwest::Client) -> Self {
        Self::with(self.inner.config.clone(), self.inner.certificates.clone(), Some(client))
    }

    fn transport(&self) -> Result<Arc<Transport>, Error> {
        let pid = cycles_protocol::process::id();
        let mut slot = self.inner.transport.lock();
        match &*slot {
            Some((owner, transport)) if *owner == pid => Ok(Arc::clone(transport)),
            _ => {
                let transport = Arc::new(self.inner.transport()?);
                // A parent's is leaked: dropping it would join threads that do not
                // exist in this process, and unwatch the parent's sockets.
                std::mem::forget(slot.replace((pid, Arc::clone(&transport))));
                Ok(transport)
            }
        }
    }

    async fn exchange(&self, call: &Call, request: RawRequest) -> Result<RawResponse, Error> {
        let transport = self.transport()?;
        let timeout = call.deadline.unwrap_or_else(|| self.inner.config.attempt_timeout());
        let failed = |failure: Failure| self.failed(failure, timeout).in_trace(&call.trace_id);
        let outgoing = self.outgoing(call, request).map_err(failed)?;
        let answer = transport.send(&self.inner.base_url, outgoing, timeout).await;
        let (head, body) = answer.map_err(failed)?.into_parts();
        let headers = if call.is_brief && head.status.is_success() {
            Vec::new()
        } else {
            texts(&head.headers)
        };
        Ok(RawResponse { status: head.status.as_u16(), headers, body: body.into() })
    }

    fn outgoing(&self, call: &Call, request: RawRequest) -> Result<Outgoing, Failure> {
        let has_body = request.operation.has_body();
        let target = request.target();
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(API_KEY.clone(), value(&**self.inner.api_key.read())?);
        headers.insert(TRACE_ID.clone(), value(&*call.trace_id)?);
        headers.insert(TRACEPARENT.clone(), value(traces::parent_of(call))?);
        if has_body {
            headers.insert(header::CONTENT_TYPE, JSON.clone());
        }
        if let Some(key) = request.idempotency_header {
            headers.insert(IDEMPOTENCY_KEY.clone(), value(key)?);
        }
        let method = if has_body { Method::POST } else { Method::GET };
        Ok(Outgoing { method, target, headers, body: request.body.into() })
    }

    fn failed(&self, failure: Failure, timeout: Duration) -> Error {
        let base_url = &base_url::shown(&self.inner.base_url);
        match failure {
            Failure::Unsendable(reason) => Error::config(format!(
                "request cannot be built; check base_url base_url={base_url:?} reason={reason}"
            )),
            Failure::Connect(reason) => Error::unreachable(format!(
                "authority cannot be reached; is it running? base_url={base_url} reason={reason}"
            )),
            // Which limit: a lease's extension has one of its own.
            Failure::TimedOut => Error::timed_out(format!(
                "authority did not answer within the attempt's time (connect_timeout and read_timeout) timeout_ms={} base_url={base_url}",
                timeout.as_millis()
            )),
            Failure::Broken(reason) => Error::outcome_unknown(
                None,
                format!("connection broke base_url={base_url} reason={reason}"),
            ),
        }
    }

    async fn typed<T: Conforms>(
        &self,
        call: &Call,
        request: RawRequest,
    ) -> Result<Answer<T>, Error> {
        let response = self.exchange(call, request).await?;
        let value =
            conforms::read(&response).map_err(|error: Error| error.in_trace(&call.trace_id))?;
        let http =
            HttpAnswer { status: response.status, headers: response.headers, body: response.body };
        Ok(Answer { value, http: Some(http) })
    }

    fn post<'a, T: Conforms + 'a>(
        &'a self,
        call: &'a Call,
        operation: Operation,
        id: Option<&'a ReservationId>,
        (key, body): (&IdempotencyKey, &impl Serialize),
    ) -> Answered<'a, T> {
        let body = serde_json::to_vec(body);
        let key = key.as_str().to_owned();
        Box::pin(async move {
            let body =
                body.map_err(|error| Error::invalid(format!("request is not JSON: {error}")))?;
            let mut request = RawRequest::new(operation, body);
            request.reservation_id = id.cloned();
            request.idempotency_header = Some(key);
            self.typed(call, request).await
        })
    }

    fn get<'a, T: Conforms + 'a>(
        &'a self,
        call: &'a Call,
        operation: Operation,
        id: Option<&'a ReservationId>,
        query: Vec<(String, String)>,
    ) -> Answered<'a, T> {
        let mut request = RawRequest::new(operation, Vec::new()).with_query(query);
        request.reservation_id = id.cloned();
        Box::pin(self.typed(call, request))
    }
}

impl Authority for HttpAuthority {
    fn create_reservation<'a>(
        &'a self,
        call: &'a Call,
        request: &'a ReservationCreateRequest,
    ) -> Answered<'a, ReservationCreateResponse> {
        self.post(call, Operation::CreateReservation, None, (&request.idempotency_key, request))
    }

    fn commit<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: &'a CommitRequest,
    ) -> Answered<'a, CommitResponse> {
        self.post(call, Operation::Commit, Some(id), (&request.idempotency_key, request))
    }

    fn release<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ReleaseRequest,
    ) -> Answered<'a, ReleaseResponse> {
        self.post(call, Operation::Release, Some(id), (&request.idempotency_key, &request))
    }

    fn extend<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
        request: ExtendRequest,
    ) -> Answered<'a, ExtendResponse> {
        self.post(call, Operation::Extend, Some(id), (&request.idempotency_key, &request))
    }

    fn decide<'a>(
        &'a self,
        call: &'a Call,
        request: DecisionRequest,
    ) -> Answered<'a, DecisionResponse> {
        self.post(call, Operation::Decide, None, (&request.idempotency_key, &request))
    }

    fn create_event<'a>(
        &'a self,
        call: &'a Call,
        request: EventCreateRequest,
    ) -> Answered<'a, EventCreateResponse> {
        self.post(call, Operation::CreateEvent, None, (&request.idempotency_key, &request))
    }

    fn get_balances<'a>(
        &'a self,
        call: &'a Call,
        params: BalanceParams,
    ) -> Answered<'a, BalanceResponse> {
        self.get(call, Operation::GetBalances, None, params.to_query())
    }

    fn list_reservations<'a>(
        &'a self,
        call: &'a Call,
        params: ListReservationsParams,
    ) -> Answered<'a, ReservationListResponse> {
        self.get(call, Operation::ListReservations, None, params.to_query())
    }

    fn get_reservation<'a>(
        &'a self,
        call: &'a Call,
        id: &'a ReservationId,
    ) -> Answered<'a, ReservationDetail> {
        self.get(call, Operation::GetReservation, Some(id), Vec::new())
    }

    fn send<'a>(
        &'a self,
        call: &'a Call,
        request: RawRequest,
    ) -> BoxFuture<'a, Result<RawResponse, Error>> {
        Box::pin(self.exchange(call, request))
    }

    fn set_api_key(&self, api_key: &str) -> Result<(), Error> {
        if api_key.trim().is_empty() || HeaderValue::from_str(api_key).is_err() {
            return Err(Error::config(
                "api_key must be text that an HTTP header can carry, and not empty",
            ));
        }
        *self.inner.api_key.write() = api_key.into();
        Ok(())
    }
}

fn value(
    text: impl TryInto<HeaderValue, Error: Into<http::Error>>,
) -> Result<HeaderValue, Failure> {
    text.try_into().map_err(|error| Failure::Unsendable(error.into().to_string()))
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// What no request could be made with.
fn check(authority: &Inner) -> Result<(), Error> {
    base_url::check(&authority.base_url)?;
    match HeaderValue::from_str(&authority.config.api_key) {
        Ok(key) if !key.is_empty() => Ok(()),
        Ok(_) => Err(Error::config("api_key is not set; set it or CYCLES_API_KEY")),
        // Not with the key: it is a secret.
        Err(_) => Err(Error::config(
            "api_key has characters that a header cannot carry, like a line end; copy it again",
        )),
    }
}

/// The HTTP client that `config` asks for, for requests that no operation of the
/// contract makes, like provisioning. Certificate authorities in `ca_file` are
/// trusted besides the platform's. The key is not part of it.
///
/// # Errors
/// Kind `Config`, naming the base URL, the file or the setting.
pub fn http_client(
    config: &CyclesConfig,
    ca_file: Option<&Path>,
) -> Result<reqwest::Client, Error> {
    let base_url = base_url::trimmed(&config.base_url);
    base_url::check(&base_url)?;
    let certificates = Certificates { file: ca_file.map(Path::to_owned), pem: Vec::new() };
    transport::connect(&base_url, config, &certificates)
}
