//! A server per test, over an engine of its own.

use std::sync::Arc;
use std::time::Duration;

use cycles_engine::{Engine, Seed, SeedKey};
use cycles_protocol::control::{BudgetLedger, BudgetRef};
use cycles_protocol::{
    Authority, Clock, Control, Error, Operation, SystemClock, SystemRandom, Unit,
};
use cycles_server::{EmbeddedServer, ServerConfig, Unanswered};
use runcycles::{CyclesClient, CyclesClientBuilder, HttpAuthority};
use tokio::sync::watch;

use crate::contract::Conformance;
use crate::fault::Fault;
use crate::faults::Faults;
use crate::faulty::Faulty;
use crate::recorder::{ClientSide, Counts, Recorder};

/// The operator's key of every test server.
const ADMIN_KEY: &str = "admin-test-key";

/// How a client reaches the test server's engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Over a loopback connection.
    Http,
    /// In process: the very same engine.
    Local,
}

impl Transport {
    /// Reads `http` or `local`.
    ///
    /// # Errors
    /// Says which two there are.
    pub fn parse(name: &str) -> Result<Self, TestServerError> {
        match name {
            "http" => Ok(Self::Http),
            "local" => Ok(Self::Local),
            _ => {
                Err(TestServerError(format!("transport must be http or local transport={name:?}")))
            }
        }
    }
}

/// Why a test server could not do what was asked.
#[derive(Debug)]
pub struct TestServerError(pub String);

impl std::fmt::Display for TestServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TestServerError {}

impl From<Error> for TestServerError {
    fn from(error: Error) -> Self {
        Self(error.message().to_owned())
    }
}

/// An authority for one test: reachable over HTTP on a free port, and in
/// process. It stops when dropped.
#[derive(Debug)]
pub struct TestServer {
    engine: Engine,
    recorder: Recorder,
    faults: Faults,
    http: EmbeddedServer,
    conformance: Conformance,
    /// What clients of this server still wait for.
    under_way: Arc<watch::Sender<Counts>>,
    keys: Vec<SeedKey>,
    first_scope: Option<String>,
    clock: Arc<dyn Clock>,
}

impl TestServer {
    /// Starts on the machine's clock, holding what the YAML `seed` declares.
    ///
    /// # Errors
    /// Names the line of the seed that is wrong.
    pub async fn start(seed: &str) -> Result<Self, TestServerError> {
        Self::launch(seed, Arc::new(SystemClock::new())).await
    }

    /// Starts on a manual clock; clients that this server makes share it.
    ///
    /// # Errors
    /// Names the line of the seed that is wrong.
    pub async fn start_with_clock(
        seed: &str,
        clock: crate::ManualClock,
    ) -> Result<Self, TestServerError> {
        Self::launch(seed, Arc::new(clock)).await
    }

    async fn launch(seed: &str, clock: Arc<dyn Clock>) -> Result<Self, TestServerError> {
        let invalid =
            |error: &dyn std::fmt::Display| TestServerError(format!("seed is not valid: {error}"));
        let seed = Seed::from_yaml(seed).map_err(|error| invalid(&error))?.with_default_keys();
        let engine = Engine::with_seed(&seed, Arc::clone(&clock), Arc::new(SystemRandom))
            .map_err(|error| invalid(&error))?;
        let recorder = Recorder::new(Arc::new(engine.clone()));
        let faults = Faults::new(Arc::clone(&clock));
        let authority = Faulty::new(Arc::new(recorder.clone()), faults.clone());
        let config = ServerConfig::new(ADMIN_KEY, Arc::new(authority), Arc::new(engine.clone()))
            .clock(Arc::clone(&clock))
            .unanswered(Unanswered::HangUp);
        let conformance = Conformance::default();
        let http = EmbeddedServer::start(conformance.of_server(config))
            .await
            .map_err(|error| TestServerError(format!("server does not start: {error}")))?;
        let under_way = Arc::new(watch::Sender::new(Counts::default()));
        let first_scope = seed.budgets.into_iter().next().map(|budget| budget.scope);
        let keys = seed.keys;
        Ok(Self {
            engine,
            recorder,
            faults,
            http,
            conformance,
            under_way,
            keys,
            first_scope,
            clock,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.http.base_url()
    }

    /// The operator's key.
    #[must_use]
    pub fn admin_key(&self) -> &str {
        ADMIN_KEY
    }

    /// The secret of the key called `name`, or of the seed's first key.
    ///
    /// # Errors
    /// When the seed has no such key.
    pub fn api_key(&self, name: Option<&str>) -> Result<&str, TestServerError> {
        Ok(&self.key(name)?.secret)
    }

    fn key(&self, name: Option<&str>) -> Result<&SeedKey, TestServerError> {
        self.keys.iter().find(|key| name.is_none_or(|name| key.name == name)).ok_or_else(|| {
            let known: Vec<&str> = self.keys.iter().map(|key| key.name.as_str()).collect();
            TestServerError(format!("seed has no such key name={name:?} keys={}", known.join(",")))
        })
    }

    /// The scope of the seed's first budget, if it has one.
    #[must_use]
    pub fn first_scope(&self) -> Option<&str> {
        self.first_scope.as_deref()
    }

    /// The engine itself, for provisioning in the middle of a test.
    #[must_use]
    pub fn control(&self) -> &dyn Control {
        &self.engine
    }

    /// An authority in process over the same state, with a tenant's key.
    ///
    /// # Errors
    /// When the seed has no such key.
    pub fn local(&self, key: Option<&str>) -> Result<Arc<dyn Authority>, TestServerError> {
        let local = self.engine.local(self.api_key(key)?);
        let recorded = self.recorder.around(Arc::new(local));
        let checked = self.conformance.of_authority(Arc::new(recorded));
        Ok(Arc::new(Faulty::new(checked, self.faults.clone())))
    }

    /// A client with a key of the seed, on the server's clock.
    ///
    /// # Errors
    /// When the seed has no such key.
    pub fn client(
        &self,
        key: Option<&str>,
        transport: Transport,
    ) -> Result<CyclesClient, TestServerError> {
        self.client_with(CyclesClient::builder("", ""), key, transport)
    }

    /// As [`client`](Self::client), with further settings; where and who are
    /// filled in: the key, and its tenant unless one is set. There is a settlement journal only where `journal_dir` says
    /// where: a test must not write into the home directory.
    ///
    /// # Errors
    /// When the seed has no such key.
    pub fn client_with(
        &self,
        mut builder: CyclesClientBuilder,
        key: Option<&str>,
        transport: Transport,
    ) -> Result<CyclesClient, TestServerError> {
        let config = builder.config_mut();
        self.base_url().clone_into(&mut config.base_url);
        let SeedKey { secret, tenant_id, .. } = self.key(key)?;
        secret.clone_into(&mut config.api_key);
        config.tenant.get_or_insert_with(|| tenant_id.clone());
        config.journal_enabled &= config.journal_dir.is_some();
        let authority: Arc<dyn Authority> = match transport {
            Transport::Http => Arc::new(HttpAuthority::new(config.clone())),
            Transport::Local => self.local(key)?,
        };
        let authority = Arc::new(ClientSide::new(authority, &self.under_way));
        let builder = builder.clock(Arc::clone(&self.clock));
        Ok(match transport {
            Transport::Http => builder.remote(authority),
            Transport::Local => builder.authority(authority),
        }
        .build())
    }

    /// Lets a coming call go wrong, over either transport. Faults of one
    /// operation fire in the order in which they were injected.
    ///
    /// # Errors
    /// For a fault that could never fire, or a status that is not a refusal's.
    pub fn inject(&self, fault: Fault) -> Result<(), TestServerError> {
        fault.check()?;
        self.faults.inject(fault);
        Ok(())
    }

    /// Forgets the faults that have not fired, and lets delayed calls go on.
    pub fn clear_faults(&self) {
        self.faults.clear();
    }

    /// The faults that have not fired, or not as often as they should. At the
    /// end of a test there should be none.
    #[must_use]
    pub fn pending_faults(&self) -> Vec<Fault> {
        self.faults.pending()
    }

    /// Waits until all faults of `operation` have fired, at most `timeout` of
    /// real time; answers whether it came to that. Once a delay has fired, moving
    /// the clock on by as much lets the call go on.
    pub async fn wait_for_faults(&self, operation: Operation, timeout: Duration) -> bool {
        tokio::time::timeout(timeout, self.faults.fired(operation)).await.is_ok()
    }

    /// How often `operation` was answered successfully, over either transport;
    /// answers that a fault lost or replaced count, for they were applied.
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        self.recorder.count(operation)
    }

    /// Waits until `operation` was answered successfully `count` times and the
    /// clients of this server have read their answers, at most `timeout` of real
    /// time; answers whether it came to that.
    pub async fn wait_for(&self, operation: Operation, count: usize, timeout: Duration) -> bool {
        let read = async {
            let answered = self.recorder.wait_for(operation, count, timeout).await;
            let mut under_way = self.under_way.subscribe();
            answered && under_way.wait_for(|counts| counts[operation as usize] == 0).await.is_ok()
        };
        tokio::time::timeout(timeout, read).await.unwrap_or(false)
    }

    /// The budget of `scope` in `unit`.
    ///
    /// # Errors
    /// When there is none, or an answer broke the contract.
    pub fn budget(&self, scope: &str, unit: Unit) -> Result<BudgetLedger, TestServerError> {
        self.conformance.result()?;
        Ok(self.engine.get_budget(&BudgetRef::new(scope, unit)?)?)
    }

    /// Stops listening, lets requests under way end, and answers when done.
    ///
    /// # Errors
    /// When an answer broke the OpenAPI contract.
    pub async fn shutdown(&self) -> Result<(), TestServerError> {
        // A call that a delay holds would be waited for.
        self.faults.clear();
        self.http.shutdown().await;
        self.conformance.result()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.conformance.end();
    }
}
