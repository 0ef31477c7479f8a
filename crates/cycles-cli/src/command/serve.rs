//! `cycles serve`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{ArgAction, Args, ValueEnum};
use cycles_engine::durable::DurableStore;
use cycles_engine::{Engine, OpenError, Seed};
use cycles_protocol::{Clock, Random, SystemClock, SystemRandom, trace};
use cycles_server::{EmbeddedServer, ServerConfig, StartError, TlsError, TlsIdentity};
use cycles_store::{Options, SqliteStore};
use serde::Serialize;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::address::{self, AdminListen};
use crate::command::data::failure;
use crate::failure::Failure;
use crate::metrics::{Metrics, StoreMetrics};
use crate::signals::Signals;

/// Serve a budget authority over HTTP.
#[derive(Debug, Args)]
#[command(long_about = ABOUT, after_long_help = EXAMPLE)]
pub(crate) struct Serve {
    /// Directory to keep everything in; made where there is none.
    ///
    /// An answer leaves only after it is on disk there: a server that is killed
    /// loses nothing that it answered. Without it, everything is gone at exit.
    #[arg(long, value_name = "DIR", conflicts_with = "store")]
    data: Option<PathBuf>,

    /// Where state is kept without --data.
    #[arg(long, value_enum, default_value_t = Store::Memory)]
    store: Store,

    /// Address and port to listen on; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7878", value_parser = address::parse)]
    listen: SocketAddr,

    /// A second address for the governance plane, or "none".
    ///
    /// Both addresses answer both planes. Unless given, it is port 7979 when
    /// --listen has port 7878, and none otherwise.
    #[arg(long, value_name = "ADDRESS:PORT|none")]
    admin_listen: Option<AdminListen>,

    /// YAML or JSON file with the tenants, keys and budgets to start with.
    ///
    /// With --data, it fills a new directory; one that has tenants keeps its own.
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,

    /// Key that X-Admin-API-Key must carry. Unless given, a random one is made
    /// and written to stderr.
    ///
    /// Prefer the environment variable: arguments are visible to other users. The
    /// existing servers' name of it works too.
    #[arg(long, value_name = "KEY", env = "CYCLES_ADMIN_API_KEY", hide_env_values = true, hide_default_value = true, value_parser = NonEmptyStringValueParser::new())]
    admin_key: Option<String>,

    /// Answer GET /metrics (and /actuator/prometheus), to anybody.
    #[arg(long, value_name = "true|false", default_value_t = true, action = ArgAction::Set)]
    metrics: bool,

    /// Tell tenants and their budgets apart in metrics: very many tenants are very
    /// many series. Without, counts are of all tenants together.
    #[arg(long, value_name = "true|false", env = "CYCLES_METRICS_TENANT_TAG_ENABLED", default_value_t = true, action = ArgAction::Set)]
    metrics_tenant_tag: bool,

    /// PEM file with the server's certificate and those that signed it: speak TLS.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// PEM file with the certificate's private key.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// How logs are written to stderr.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,

    #[arg(long, help = "What is logged, unless RUST_LOG says more exactly", value_enum, env = "LOG_LEVEL", ignore_case = true, default_value_t = LogLevel::Info)]
    log_level: LogLevel,

    /// How often expired reservations are looked for where nobody asks, in
    /// milliseconds. Whoever asks about a budget sees them expire on time anyway.
    #[arg(long, value_name = "MS", env = "CYCLES_EXPIRY_INTERVAL_MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    expiry_interval_ms: u64,

    /// How long to go on serving after SIGTERM while readiness says no, so that
    /// load balancers can turn elsewhere.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    drain_delay_ms: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line, for programs.
    Json,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogLevel {
    /// What failed.
    Error,
    /// What may.
    #[value(alias = "warning")]
    Warn,
    /// And what the server does.
    Info,
    /// And how.
    Debug,
    /// And everything else.
    Trace,
}

impl LogLevel {
    const fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Store {
    /// In memory: gone at exit.
    Memory,
}

const ABOUT: &str = "\
Serve a budget authority over HTTP.

When it answers requests, it prints one line of JSON on stdout:

  {\"event\":\"ready\",\"base_url\":\"http://127.0.0.1:7878\",\"admin_url\":\"http://127.0.0.1:7979\"}

Logs go to stderr; RUST_LOG picks them more exactly than --log-level, like
RUST_LOG=cycles_server=debug.
SIGTERM and SIGINT let requests in flight end, for at most 10 s; a second
signal ends at once.

Exit codes: 0 ended by a signal, 1 could not serve, 2 wrong arguments, seed or
data directory.";

const EXAMPLE: &str = "\
A seed:

  tenants:
    - {tenant_id: acme, name: Acme}
  keys:
    - {name: default, secret: cyc_live_change_me, tenant_id: acme}
  budgets:
    - {scope: \"tenant:acme\", unit: USD_MICROCENTS, allocated: $10.00}
    - {scope: \"tenant:acme/agent:bot\", unit: TOKENS, allocated: 50000}

Try it:

  cycles serve --seed seed.yaml
  curl -H 'X-Cycles-API-Key: cyc_live_change_me' 'http://127.0.0.1:7878/v1/balances?tenant=acme'";

impl Serve {
    /// Serves until a signal.
    pub(crate) fn run(self) -> Result<(), Failure> {
        log_to_stderr(self.log_format, self.log_level);
        let seed = self.seed.as_deref().map_or_else(|| Ok(Seed::default()), read_seed)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Runtime(format!("no threads to serve with: {error}")))?;
        runtime.block_on(self.serve(seed))
    }

    async fn serve(self, seed: Seed) -> Result<(), Failure> {
        // Before the ready line: whoever reads it may signal at once.
        let mut signals = Signals::listen()
            .map_err(|error| Failure::Runtime(format!("signals cannot be received: {error}")))?;
        let server = self.start(&seed).await?;
        announce(&server)?;
        let signal = signals.next().await;
        server.withdraw();
        tracing::info!(signal, "shutting down");
        if self.drain_delay_ms > 0 {
            let clock = SystemClock::new();
            let delay = Duration::from_millis(self.drain_delay_ms);
            tokio::select! {
                () = clock.sleep_until(clock.monotonic() + delay) => {}
                signal = signals.next() => tracing::info!(signal, "not waiting any longer"),
            }
        }
        tokio::select! {
            () = server.shutdown() => Ok(()),
            signal = signals.next() => {
                Err(Failure::Runtime(format!("ended before requests in flight did signal={signal}")))
            }
        }
    }

    async fn start(&self, seed: &Seed) -> Result<EmbeddedServer, Failure> {
        let stored = (self.metrics && self.data.is_some()).then(StoreMetrics::new);
        let engine = if let Some(directory) = &self.data {
            self.open(directory, seed, stored.as_ref())?
        } else {
            let Store::Memory = self.store;
            let (clock, random) = (Arc::new(SystemClock::new()), Arc::new(SystemRandom));
            Engine::with_seed(seed, clock, random)
                .map_err(|error| Failure::Usage(self.in_seed(&error)))?
        };
        let made_key = self.admin_key.is_none().then(|| make_admin_key(engine.random().as_ref()));
        let admin_key = self.admin_key.as_ref().or(made_key.as_ref()).cloned().unwrap_or_default();
        let admin_listen = self.admin_listen.unwrap_or_else(|| AdminListen::beside(self.listen));
        let mut config = ServerConfig::over_engine(admin_key, &engine)
            .decisions()
            .sweep_every(Duration::from_millis(self.expiry_interval_ms))
            .listen(self.listen)
            .admin_listen(admin_listen.address());
        if self.metrics {
            let metrics = Arc::new(Metrics::new(engine.clone(), stored, self.metrics_tenant_tag));
            config = config.observer(Arc::<Metrics>::clone(&metrics)).metrics(metrics);
        }
        if let Some(identity) = self.tls()? {
            config = config.tls(identity);
        }
        let server =
            EmbeddedServer::start(config).await.map_err(|error| self.cannot_listen(&error))?;
        if let Some(key) = made_key {
            show_admin_key(&key);
        }
        Ok(server)
    }

    /// The engine that a directory keeps.
    fn open(
        &self,
        directory: &Path,
        seed: &Seed,
        metrics: Option<&Arc<StoreMetrics>>,
    ) -> Result<Engine, Failure> {
        let observer = metrics.map(StoreMetrics::observer);
        let store = SqliteStore::with(directory, Options { observer, ..Options::default() });
        let store = Arc::new(store.map_err(failure)?);
        if let Some(metrics) = metrics {
            metrics.of(&store);
        }
        let (clock, random) = (Arc::new(SystemClock::new()), Arc::new(SystemRandom));
        let store: Arc<dyn DurableStore> = store;
        let opened = Engine::open(&store, seed, clock, random);
        let (engine, is_new) = opened.map_err(|error| match error {
            OpenError::Seed(error) => Failure::Usage(self.in_seed(&error)),
            error @ OpenError::Store(_) => {
                Failure::Runtime(format!("{error} path={}", directory.display()))
            }
        })?;
        if !is_new && self.seed.is_some() {
            tracing::info!(data = %directory.display(), "the directory has tenants, so the seed is not used");
        }
        Ok(engine)
    }

    fn tls(&self) -> Result<Option<TlsIdentity>, Failure> {
        let (cert, key) = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => (cert, key),
            (None, None) => return Ok(None),
            // A settings file may have one of them, which clap does not mind.
            _ => {
                return Err(Failure::Usage(
                    "tls_cert and tls_key go together; set both, or neither".to_owned(),
                ));
            }
        };
        let read = |option: &str, path: &Path| {
            std::fs::read(path).map_err(|error| {
                Failure::Usage(format!("{option} {} cannot be read: {error}", path.display()))
            })
        };
        let identity = TlsIdentity::from_pem(&read("--tls-cert", cert)?, &read("--tls-key", key)?);
        identity.map(Some).map_err(|error| {
            let (option, path) = match error {
                TlsError::Key => ("--tls-key", key),
                _ => ("--tls-cert", cert),
            };
            Failure::Usage(format!("{option} {}: {error}", path.display()))
        })
    }

    fn in_seed(&self, error: &dyn std::fmt::Display) -> String {
        let file = self.seed.as_deref().unwrap_or(Path::new("-"));
        format!("{}: {error}", file.display())
    }

    fn cannot_listen(&self, error: &StartError) -> Failure {
        let option = if error.address == self.listen { "--listen" } else { "--admin-listen" };
        let advice = match error.source.kind() {
            io::ErrorKind::AddrInUse if option == "--listen" => {
                "; stop the program that uses the port, or choose another with --listen (port 0 picks a free one)"
            }
            io::ErrorKind::AddrInUse => {
                "; stop the program that uses the port, or choose another with --admin-listen (none does without)"
            }
            io::ErrorKind::PermissionDenied => "; ports below 1024 usually need privileges",
            io::ErrorKind::AddrNotAvailable => "; no network interface of this machine has it",
            _ => "",
        };
        Failure::Runtime(format!("{error}{advice} option={option}"))
    }
}

fn log_to_stderr(format: LogFormat, level: LogLevel) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::default().add_directive(level.filter().into()));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

fn read_seed(file: &Path) -> Result<Seed, Failure> {
    let usage =
        |error: &dyn std::fmt::Display| Failure::Usage(format!("{}: {error}", file.display()));
    let text = std::fs::read_to_string(file)
        .map_err(|error| usage(&format!("seed cannot be read: {error}")))?;
    Seed::from_yaml(&text).map_err(|error| usage(&error))
}

fn make_admin_key(random: &dyn Random) -> String {
    let mut bytes = [0; 24];
    random.fill(&mut bytes);
    format!("cyc_admin_{}", trace::hex(&bytes))
}

/// Past the log's filter: without the key nobody could provision anything.
fn show_admin_key(key: &str) {
    // Without stderr the governance plane stays shut, and nothing else suffers.
    let _ = writeln!(
        io::stderr(),
        "no admin key given; for this run it is {key} (set CYCLES_ADMIN_API_KEY to choose one)"
    );
}

/// The one line on stdout.
#[derive(Debug, Serialize)]
struct Ready<'a> {
    event: &'static str,
    base_url: &'a str,
    admin_url: &'a str,
}

fn announce(server: &EmbeddedServer) -> Result<(), Failure> {
    let (base_url, admin_url) = (server.base_url(), server.admin_url());
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, &Ready { event: "ready", base_url, admin_url })
        .map_err(io::Error::from)
        .and_then(|()| writeln!(stdout))
        .and_then(|()| stdout.flush())
        .map_err(|error| {
            Failure::Runtime(format!("the ready line cannot be written to stdout: {error}"))
        })?;
    tracing::info!(base_url, admin_url, "serving");
    Ok(())
}
