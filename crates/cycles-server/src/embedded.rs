//! [`EmbeddedServer`]: the service on a port, within the caller's runtime.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use cycles_engine::Engine;
use cycles_protocol::Clock;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::decisions::Decisions;
use crate::health::Health;
use crate::listener::{self, until};
use crate::observe::Observed;
use crate::{AdminKey, AppState, Observer, ServerConfig, app};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct StartError {
    /// Where it should have listened.
    pub address: SocketAddr,
    /// What the operating system said.
    pub source: io::Error,
}

/// A running server. Dropping it stops it at once; [`shutdown`](Self::shutdown)
/// lets requests in flight end first.
///
/// ```no_run
/// # async fn example(engine: cycles_engine::Engine) -> Result<(), Box<dyn std::error::Error>> {
/// let server = cycles_server::EmbeddedServer::start_with_engine("admin-key", &engine).await?;
/// let client_config = server.base_url();
/// server.shutdown().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct EmbeddedServer {
    base_url: String,
    admin_url: String,
    stop: watch::Sender<bool>,
    health: Arc<Health>,
    _tasks: Vec<Task>,
}

impl EmbeddedServer {
    /// Serves `config` on the current tokio runtime. Requests are answered once
    /// this returns.
    ///
    /// # Errors
    /// When an address cannot be listened on.
    pub async fn start(config: ServerConfig) -> Result<Self, StartError> {
        let listener = bind(config.listen).await?;
        let admin_listener = match config.admin_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let scheme = scheme(&config.tls);
        let base_url = url(scheme, &listener, config.listen)?;
        let admin_url = admin_listener
            .as_ref()
            .map_or(Ok(base_url.clone()), |tcp| url(scheme, tcp, config.listen))?;

        let (stop, stopped) = watch::channel(false);
        let mut observers = config.observers;
        let decisions = config
            .decisions
            .then(|| Arc::new(Decisions::new(Arc::clone(&config.clock), config.sweep.clone())));
        observers.extend(decisions.clone().map(|decisions| decisions as Arc<dyn Observer>));
        let authority = Observed::by(observers, config.authority);
        let state = AppState::new(authority, config.control, config.admin_key, config.random)
            .when_unanswered(config.unanswered)
            .with_decisions(decisions)
            .with_metrics(config.metrics);
        let health = state.health();
        let app = app(state).checked_by(config.check);
        let tls = config.tls;
        let serve =
            |tcp| Task::spawn(listener::serve(tcp, app.clone(), tls.clone(), stopped.clone()));
        let mut tasks: Vec<_> =
            [Some(listener), admin_listener].into_iter().flatten().map(serve).collect();
        if let Some(engine) = config.sweep {
            tasks.push(Task::spawn(sweep(engine, config.clock, config.sweep_every, stopped)));
        }
        Ok(Self { base_url, admin_url, stop, health, _tasks: tasks })
    }

    /// Serves `engine` on a free port of 127.0.0.1, and sweeps it.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with_engine(
        admin_key: impl Into<AdminKey>,
        engine: &Engine,
    ) -> Result<Self, StartError> {
        Self::start(ServerConfig::over_engine(admin_key, engine)).await
    }

    /// Where clients find it, like `http://127.0.0.1:40123`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Where the governance plane is found; the base URL unless it has a port of
    /// its own.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// Answers that it is not ready any more, and goes on serving: load balancers
    /// can turn elsewhere before it stops.
    pub fn withdraw(&self) {
        self.health.withdraw();
    }

    /// Accepts nothing more, lets requests in flight end for at most ten
    /// seconds, and answers when all is over.
    pub async fn shutdown(&self) {
        self.stop.send_replace(true);
        // Listeners, connections and the sweeper each hold a receiver to their end.
        self.stop.closed().await;
    }
}

/// A task that ends with its handle.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Task {
    fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn sweep(
    engine: Engine,
    clock: Arc<dyn Clock>,
    every: Duration,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let next = clock.sleep_until(clock.monotonic() + every);
        if until(&mut stop, next).await.is_none() {
            return;
        }
        let expired = engine.sweep();
        if expired > 0 {
            tracing::debug!(expired, "swept");
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError { address, source })
}

const fn scheme(tls: &listener::Tls) -> &'static str {
    if tls.is_some() { "https" } else { "http" }
}

/// Where a client on this machine finds `listener`.
fn url(scheme: &str, listener: &TcpListener, asked: SocketAddr) -> Result<String, StartError> {
    let mut address =
        listener.local_addr().map_err(|source| StartError { address: asked, source })?;
    // "Any address" is for listening; nobody can connect to it everywhere.
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    Ok(format!("{scheme}://{address}"))
}
