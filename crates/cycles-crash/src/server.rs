//! A server that kills itself at a step of the store's writer, as no signal from
//! outside could hit it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;
use cycles_engine::durable::DurableStore;
use cycles_engine::{Engine, Seed};
use cycles_protocol::{SystemClock, SystemRandom};
use cycles_server::{EmbeddedServer, ServerConfig};
use cycles_store::{Options, SqliteStore, Step};

/// The clients' key.
pub(crate) const SECRET: &str = "cyc_test_crash";
/// Two budgets that every request draws on; never exhausted.
pub(crate) const SEED: &str = "
tenants: [{tenant_id: acme, max_reservation_ttl_ms: 86400000, max_reservation_extensions: 1000000}]
keys: [{name: crash, secret: cyc_test_crash, tenant_id: acme}]
budgets:
  - {scope: 'tenant:acme', unit: TOKENS, allocated: 1000000000000}
  - {scope: 'tenant:acme/agent:bot', unit: TOKENS, allocated: 1000000000000}
";

/// Pages after which the log is put in its place: often.
const CHECKPOINT_PAGES: u32 = 200;

/// Where it dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum At {
    /// Before a batch is committed
    Writing,
    /// A batch is on disk, nobody was answered
    Written,
    /// While the log is put in its place
    Checkpointing,
    /// The log is in its place, the checksums are not
    Checkpointed,
}

impl At {
    pub(crate) const ALL: [Self; 4] =
        [Self::Writing, Self::Written, Self::Checkpointing, Self::Checkpointed];

    fn is(self, step: Step) -> bool {
        matches!(
            (self, step),
            (Self::Writing, Step::Writing)
                | (Self::Written, Step::Written)
                | (Self::Checkpointing, Step::Checkpointing)
                | (Self::Checkpointed, Step::Checkpointed)
        )
    }
}

/// Serves until it has come to that step so many times.
pub(crate) fn run(directory: &Path, listen: SocketAddr, at: At, after: u64) -> Result<()> {
    let left = AtomicU64::new(after);
    let observer = move |step| {
        // The one that counts down to nothing dies; none after it is reached.
        if at.is(step) && left.fetch_sub(1, Ordering::Relaxed) == 1 {
            die(at);
        }
    };
    let options = Options {
        observer: Some(Arc::new(observer)),
        checkpoint_pages: CHECKPOINT_PAGES,
        ..Options::default()
    };
    let store: Arc<dyn DurableStore> = Arc::new(SqliteStore::with(directory, options)?);
    let seed = Seed::from_yaml(SEED)?;
    let clock = Arc::new(SystemClock::new());
    let (engine, _) = Engine::open(&store, &seed, clock, Arc::new(SystemRandom))?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let config = ServerConfig::over_engine("", &engine).listen(listen);
        let server = EmbeddedServer::start(config).await?;
        println!("{}", server.base_url());
        std::future::pending().await
    })
}

fn die(at: At) {
    let kill = || {
        let own = rustix::process::getpid();
        _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    };
    if at == At::Checkpointing {
        // Somewhere within what follows.
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_micros(fastrand::u64(0..4_000)));
            kill();
        });
    } else {
        kill();
    }
}
