//! How requests reach the server: [`Direct`] where it is spoken to in the clear,
//! `reqwest` for TLS, proxies and the caller's own client.

use std::time::Duration;

use cycles_protocol::Error;
use http::{HeaderMap, Method, Response};
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};

use super::direct::{Direct, Server};
use crate::certificates::Certificates;
use crate::config::CyclesConfig;

/// Below the keep-alive of common servers and load balancers, so that a pooled
/// connection is not closed under a request (anchors.md pitfall 24).
const POOL_IDLE: Duration = Duration::from_secs(15);

/// Longest answer that is read: a page of a listing has some hundred kilobytes.
const MAX_ANSWER: usize = 32 << 20;

pub(super) const USER_AGENT: &str = concat!("runcycles/", env!("CARGO_PKG_VERSION"));

pub(super) enum Transport {
    Direct(Box<Direct>),
    Client(reqwest::Client),
}

/// A request, without the server that it goes to.
pub(super) struct Outgoing {
    pub(super) method: Method,
    /// The path and query below `base_url`.
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why there is no answer.
pub(super) enum Failure {
    /// It cannot be made a request of.
    Unsendable(String),
    /// Nothing was sent.
    Connect(String),
    TimedOut,
    /// Who knows what has arrived.
    Broken(String),
}

impl Failure {
    pub(super) fn connect(error: &dyn std::error::Error) -> Self {
        Self::Connect(root_cause(error))
    }

    pub(super) fn broken(error: &dyn std::error::Error) -> Self {
        Self::Broken(root_cause(error))
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        match &error {
            error if error.is_builder() => Self::Unsendable(root_cause(error)),
            error if error.is_connect() => Self::connect(error),
            error if error.is_timeout() => Self::TimedOut,
            error => Self::broken(error),
        }
    }
}

impl Transport {
    /// To the server at `base_url`, which has been checked.
    ///
    /// # Errors
    /// Kind `Config`, naming the file or the setting.
    pub(super) fn new(
        base_url: &str,
        config: &CyclesConfig,
        certificates: &Certificates,
    ) -> Result<Self, Error> {
        match Server::in_the_clear(base_url) {
            Some(server) => {
                let direct = Direct::new(server, config.connect_timeout, POOL_IDLE);
                Ok(Self::Direct(Box::new(direct)))
            }
            None => connect(base_url, config, certificates).map(Self::Client),
        }
    }

    /// Sends `request` to the server at `base_url`; `timeout` is for all of it.
    pub(super) async fn send(
        &self,
        base_url: &str,
        request: Outgoing,
        timeout: Duration,
    ) -> Result<Response<Bytes>, Failure> {
        match self {
            Self::Direct(direct) => tokio::time::timeout(timeout, direct.send(request))
                .await
                .unwrap_or(Err(Failure::TimedOut)),
            Self::Client(client) => send_with(client, base_url, request, timeout).await,
        }
    }
}

async fn send_with(
    client: &reqwest::Client,
    base_url: &str,
    request: Outgoing,
    timeout: Duration,
) -> Result<Response<Bytes>, Failure> {
    let Outgoing { method, target, headers, body } = request;
    let request = client.request(method, format!("{base_url}{target}"));
    let answer = request.headers(headers).body(body).timeout(timeout).send().await?;
    let (head, body) = Response::<reqwest::Body>::from(answer).into_parts();
    Ok(Response::from_parts(head, whole(body).await?))
}

/// All of an answer's body.
pub(super) async fn whole<B>(body: B) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes, Error: std::error::Error + Send + Sync + 'static>,
{
    let read = Limited::new(body, MAX_ANSWER).collect().await;
    read.map(Collected::to_bytes).map_err(|error| match error.downcast::<reqwest::Error>() {
        Ok(error) => Failure::from(*error),
        Err(error) if error.is::<LengthLimitError>() => {
            Failure::Broken(format!("the answer is longer than {MAX_ANSWER} bytes"))
        }
        Err(error) => Failure::broken(&*error),
    })
}

/// A client as `config` asks for it. Platform roots are trusted, or the bundled
/// ones where the machine has none, as slim containers do (decision: TLS).
pub(super) fn connect(
    base_url: &str,
    config: &CyclesConfig,
    certificates: &Certificates,
) -> Result<reqwest::Client, Error> {
    let builder = || {
        reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .tcp_nodelay(true)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(USER_AGENT)
    };
    let failed = |error: reqwest::Error| {
        Error::config(format!("HTTP client cannot be built reason={}", root_cause(&error)))
    };
    if base_url.starts_with("http://") && !is_proxied_over_tls() {
        // No TLS will be spoken: loading the platform's roots would cost 15 ms.
        return builder().tls_certs_only([]).build().map_err(failed);
    }
    let more = certificates.read()?;
    builder().tls_certs_merge(more.clone()).build().or_else(|_| {
        let bundled = webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .filter_map(|der| reqwest::Certificate::from_der(der).ok());
        builder().tls_certs_only(bundled.chain(more)).build().map_err(failed)
    })
}

/// Whether the environment names a proxy that is itself spoken to over TLS.
fn is_proxied_over_tls() -> bool {
    ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
        .iter()
        .any(|name| std::env::var(name).is_ok_and(|proxy| proxy.starts_with("https://")))
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
