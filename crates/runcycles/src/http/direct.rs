//! HTTP/1.1 in the clear and without a proxy: to a server on the same machine or
//! in the same cluster, where an answer takes microseconds and a change of
//! threads would take longer than it (`docs/adr/0012`).
//!
//! Whoever asks drives the connection too. A connection that is driven by a task
//! of its own costs two wake-ups of other threads for each request.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::header::{HOST, HeaderValue, USER_AGENT};
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use reqwest::Url;
use tokio::net::TcpStream;
use tokio::runtime::{Handle, Id, RuntimeFlavor};
use tokio::time::Instant;
use tower_service::Service;

use super::transport::{self, Failure, Outgoing};

/// Where requests go.
pub(super) struct Server {
    address: Uri,
    host: HeaderValue,
    /// What stands before the path of every request.
    prefix: String,
}

impl Server {
    /// The server at `base_url`, where it is spoken to in the clear and no proxy
    /// of the environment stands between.
    pub(super) fn in_the_clear(base_url: &str) -> Option<Self> {
        let url = Url::parse(base_url).ok()?;
        // Whoever is named in it is to be authenticated.
        if url.scheme() != "http" || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let host = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        };
        let address = Uri::try_from(format!("http://{host}")).ok()?;
        if Matcher::from_system().intercept(&address).is_some() {
            return None;
        }
        let prefix = url.path().trim_end_matches('/').to_owned();
        Some(Self { address, host: HeaderValue::try_from(host).ok()?, prefix })
    }
}

/// Connections to one server.
pub(super) struct Direct {
    connector: HttpConnector,
    server: Server,
    keep_idle: Duration,
    /// The one that became idle last stands last.
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    connection: Connection,
    since: Instant,
    /// Where its socket is watched; another runtime would wait in vain.
    runtime: Id,
}

impl Direct {
    /// Connects to `server` with the first request.
    pub(super) fn new(server: Server, connect_timeout: Duration, keep_idle: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(connect_timeout));
        Self { connector, server, keep_idle, idle: Mutex::default() }
    }

    /// Sends `request` and reads the whole answer. Given up before its end, the
    /// connection is closed.
    pub(super) async fn send(&self, request: Outgoing) -> Result<Response<Bytes>, Failure> {
        let mut request = self.addressed(request)?;
        while let Some(connection) = self.idle().await {
            match self.over(connection, request).await {
                Err(Unanswered { unsent: Some(unsent), .. }) => request = unsent,
                answered => return answered.map_err(|unanswered| unanswered.failure),
            }
        }
        let connection = self.connect().await?;
        self.over(connection, request).await.map_err(|unanswered| unanswered.failure)
    }

    async fn over(
        &self,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Unanswered> {
        let response = connection.exchange(request).await?;
        self.keep(connection);
        Ok(response)
    }

    fn addressed(&self, request: Outgoing) -> Result<Request<Full<Bytes>>, Failure> {
        let Outgoing { method, target, headers, body } = request;
        let target = Uri::try_from(format!("{}{target}", self.server.prefix));
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = target.map_err(|error| Failure::Unsendable(error.to_string()))?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(HOST, self.server.host.clone());
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(transport::USER_AGENT));
        Ok(request)
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let stream = self.connector.clone().call(self.server.address.clone()).await;
        let stream = stream.map_err(|error| Failure::connect(&error))?;
        let (sender, driver) =
            http1::handshake(stream).await.map_err(|error| Failure::connect(&error))?;
        Ok(Connection { sender, driver: Some(driver) })
    }

    async fn idle(&self) -> Option<Connection> {
        let here = Handle::current();
        if here.runtime_flavor() == RuntimeFlavor::CurrentThread {
            // Nobody looks at its sockets while its one thread does something else:
            // what was closed meanwhile is found out first.
            tokio::task::yield_now().await;
        }
        let here = here.id();
        loop {
            let mut connection = {
                let mut idle = self.idle.lock();
                while idle.front().is_some_and(|oldest| oldest.since.elapsed() > self.keep_idle) {
                    idle.pop_front();
                }
                let last = idle.iter().rposition(|idle| idle.runtime == here)?;
                idle.remove(last)?.connection
            };
            if connection.is_open() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, mut connection: Connection) {
        if connection.is_open() {
            let (since, runtime) = (Instant::now(), Handle::current().id());
            self.idle.lock().push_back(Idle { connection, since, runtime });
        }
    }
}

/// One connection. It makes progress only while it is asked for something.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it is closed.
    driver: Option<http1::Connection<TokioIo<TcpStream>, Full<Bytes>>>,
}

impl Connection {
    async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Unanswered> {
        let Self { sender, driver } = self;
        let (head, body) = driven(driver, sender.try_send_request(request)).await?.into_parts();
        let body = driven(driver, transport::whole(body)).await?;
        Ok(Response::from_parts(head, body))
    }

    /// Whether the server has not closed it meanwhile, as far as is known. Whoever
    /// drove it before is not woken for it any more, and can be freed.
    fn is_open(&mut self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(&mut nobody).is_ready()
        {
            self.driver = None;
        }
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Why a connection brought no answer.
struct Unanswered {
    failure: Failure,
    /// The request, where the connection ended before anything of it was sent.
    unsent: Option<Request<Full<Bytes>>>,
}

impl From<TrySendError<Request<Full<Bytes>>>> for Unanswered {
    fn from(mut error: TrySendError<Request<Full<Bytes>>>) -> Self {
        let unsent = error.take_message();
        let failure = match unsent {
            Some(_) => Failure::connect(error.error()),
            None => Failure::broken(error.error()),
        };
        Self { failure, unsent }
    }
}

impl From<Failure> for Unanswered {
    fn from(failure: Failure) -> Self {
        Self { failure, unsent: None }
    }
}

/// What `wanted` comes to, while `driver` reads and writes for it.
async fn driven<F: Future>(
    driver: &mut Option<http1::Connection<TokioIo<TcpStream>, Full<Bytes>>>,
    wanted: F,
) -> F::Output {
    let mut wanted = pin!(wanted);
    poll_fn(|context| {
        if let Poll::Ready(done) = wanted.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        let Some(connection) = driver else { return Poll::Pending };
        if Pin::new(connection).poll(context).is_ready() {
            // Dropped, it tells what waits for it that it has ended.
            *driver = None;
        }
        wanted.as_mut().poll(context)
    })
    .await
}

#[cfg(test)]
mod tests;
