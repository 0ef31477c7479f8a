//! The server of tests.

use std::sync::Arc;
use std::time::Duration;

use cycles_testkit::{
    TestServerError, budget_document, client_document, count_document, inject_document,
    pending_faults_document, wait_for_document, wait_for_faults_document,
};
use runcycles::ErrorReport;
use runcycles::document::foreign;

use crate::client::CyclesCore;
use crate::clock::ManualClock;
use crate::error::{NativeError, document};

/// An authority for one test, reachable over HTTP on a free port and in process.
#[derive(Debug, uniffi::Object)]
pub struct TestServer {
    server: Arc<cycles_testkit::TestServer>,
}

#[uniffi::export]
impl TestServer {
    /// Starts one that holds `seed` (YAML or JSON); its clients share its clock.
    #[uniffi::constructor]
    pub fn new(seed: String, clock: Option<Arc<ManualClock>>) -> Result<Arc<Self>, NativeError> {
        let started = foreign::block(async {
            match clock {
                Some(clock) => {
                    cycles_testkit::TestServer::start_with_clock(&seed, clock.handle()).await
                }
                None => cycles_testkit::TestServer::start(&seed).await,
            }
        });
        Ok(Arc::new(Self { server: Arc::new(started?) }))
    }

    /// Where it listens.
    pub fn base_url(&self) -> String {
        self.server.base_url().to_owned()
    }

    /// The operator's key.
    pub fn admin_key(&self) -> String {
        self.server.admin_key().to_owned()
    }

    /// The secret of the seed's key called `name`, or of its first.
    pub fn api_key(&self, name: Option<String>) -> Result<String, NativeError> {
        Ok(self.server.api_key(name.as_deref())?.to_owned())
    }

    /// A client over `http` or `local`, with the JSON `config`.
    pub fn client(
        &self,
        key: Option<String>,
        transport: String,
        config: String,
    ) -> Result<Arc<CyclesCore>, NativeError> {
        let config = document("config", &config)?;
        let _entered = foreign::enter();
        Ok(CyclesCore::of(client_document(&self.server, config, key.as_deref(), &transport)?))
    }

    /// Waits until `operation` was answered successfully `count` times.
    pub async fn wait_for(
        &self,
        operation: String,
        count: u64,
        timeout_ms: u64,
    ) -> Result<(), NativeError> {
        let server = Arc::clone(&self.server);
        let timeout = Duration::from_millis(timeout_ms);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let waited = foreign::detached(async move {
            wait_for_document(&server, &operation, count, timeout).await
        });
        Ok(waited.await??)
    }

    /// Lets coming calls go wrong as the JSON `fault` says.
    pub fn inject(&self, fault: String) -> Result<(), NativeError> {
        Ok(inject_document(&self.server, &document("fault", &fault)?)?)
    }

    /// Forgets the faults that have not fired.
    pub fn clear_faults(&self) {
        self.server.clear_faults();
    }

    /// The faults that have not fired, as a JSON list.
    pub fn pending_faults(&self) -> String {
        pending_faults_document(&self.server).to_string()
    }

    /// Waits until all faults of `operation` have fired.
    pub async fn wait_for_faults(
        &self,
        operation: String,
        timeout_ms: u64,
    ) -> Result<(), NativeError> {
        let server = Arc::clone(&self.server);
        let timeout = Duration::from_millis(timeout_ms);
        let waited = foreign::detached(async move {
            wait_for_faults_document(&server, &operation, timeout).await
        });
        Ok(waited.await??)
    }

    /// How often `operation` was answered successfully.
    pub fn count(&self, operation: String) -> Result<u64, NativeError> {
        Ok(count_document(&self.server, &operation)? as u64)
    }

    /// The budget of `scope` in `unit`, as JSON of flat integers.
    pub fn budget(&self, scope: String, unit: String) -> Result<String, NativeError> {
        Ok(budget_document(&self.server, &scope, &unit)?.to_string())
    }

    /// Stops listening once requests under way have ended.
    pub fn shutdown(&self) -> Result<(), NativeError> {
        Ok(foreign::block(self.server.shutdown())?)
    }
}

impl From<TestServerError> for NativeError {
    fn from(error: TestServerError) -> Self {
        ErrorReport::from(error).into()
    }
}
