//! Servers and clocks for tests.

use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::Clock;
use cycles_testkit::{
    TestServerError, budget_document, client_document, count_document, inject_document,
    pending_faults_document, wait_for_document, wait_for_faults_document,
};
use pyo3::prelude::*;
use runcycles::document;

use crate::client::{Client, parse, raise, read_config};
use crate::errors::{self, caught};
use crate::runtime::{self, block};

/// A clock that only moves when told.
#[pyclass(frozen, module = "runcycles._native")]
#[derive(Clone)]
pub(crate) struct ManualClock(cycles_testkit::ManualClock);

#[pymethods]
impl ManualClock {
    #[new]
    fn new(start_ms: i64) -> Self {
        Self(cycles_testkit::ManualClock::starting_at(start_ms))
    }

    fn advance(&self, ms: u64) -> PyResult<()> {
        caught(|| {
            self.0.advance(Duration::from_millis(ms));
            Ok(())
        })
    }

    fn now_ms(&self) -> PyResult<i64> {
        caught(|| Ok(self.0.now_ms()))
    }
}

impl ManualClock {
    /// The clock as the core takes it.
    pub(crate) fn shared(&self) -> Arc<dyn Clock> {
        Arc::new(self.0.clone())
    }
}

/// A server on a free port over a fresh ledger.
#[pyclass(frozen, module = "runcycles._native")]
pub(crate) struct TestServer {
    server: Option<Arc<cycles_testkit::TestServer>>,
    clock: Option<ManualClock>,
    era: u64,
}

#[pymethods]
impl TestServer {
    #[new]
    #[pyo3(signature = (seed, clock = None))]
    fn new(py: Python<'_>, seed: String, clock: Option<&Bound<'_, ManualClock>>) -> PyResult<Self> {
        caught(|| {
            let clock = clock.map(|clock| clock.get().clone());
            let manual = clock.as_ref().map(|clock| clock.0.clone());
            let started = block(py, async move {
                match manual {
                    Some(manual) => {
                        cycles_testkit::TestServer::start_with_clock(&seed, manual).await
                    }
                    None => cycles_testkit::TestServer::start(&seed).await,
                }
            })?;
            let server = Some(Arc::new(started.map_err(refused)?));
            Ok(Self { server, clock, era: runtime::era_number(py) })
        })
    }

    #[getter]
    fn base_url(&self) -> PyResult<String> {
        caught(|| Ok(self.server()?.base_url().to_owned()))
    }

    #[getter]
    fn admin_key(&self) -> PyResult<String> {
        caught(|| Ok(self.server()?.admin_key().to_owned()))
    }

    fn first_scope(&self) -> PyResult<Option<String>> {
        caught(|| Ok(self.server()?.first_scope().map(str::to_owned)))
    }

    #[pyo3(signature = (name = None))]
    fn api_key(&self, name: Option<&str>) -> PyResult<String> {
        caught(|| Ok(self.server()?.api_key(name).map_err(refused)?.to_owned()))
    }

    fn client(
        &self,
        py: Python<'_>,
        key: Option<&str>,
        transport: &str,
        config: &str,
    ) -> PyResult<Client> {
        caught(|| {
            let config = read_config(config)?;
            let client = client_document(self.server()?, config, key, transport).map_err(raise)?;
            Ok(Client::around(py, client, transport == "http", self.clock.clone()))
        })
    }

    /// Waits until `operation` was answered successfully `count` times.
    fn wait_for(
        &self,
        py: Python<'_>,
        operation: &str,
        count: usize,
        timeout_ms: u64,
    ) -> PyResult<()> {
        caught(|| {
            let (server, operation) = (Arc::clone(self.server()?), operation.to_owned());
            let timeout = Duration::from_millis(timeout_ms);
            let waited =
                block(
                    py,
                    async move { wait_for_document(&server, &operation, count, timeout).await },
                )?;
            waited.map_err(raise)
        })
    }

    /// Injects the fault that the JSON text describes.
    fn inject(&self, fault: &str) -> PyResult<()> {
        caught(|| {
            let fault = document::read("fault", parse("fault", fault)?).map_err(raise)?;
            inject_document(self.server()?, &fault).map_err(raise)
        })
    }

    fn clear_faults(&self) -> PyResult<()> {
        caught(|| {
            self.server()?.clear_faults();
            Ok(())
        })
    }

    /// The faults that have not fired, as JSON.
    fn pending_faults(&self) -> PyResult<String> {
        caught(|| Ok(pending_faults_document(self.server()?).to_string()))
    }

    /// Waits until all faults of `operation` have fired.
    fn wait_for_faults(&self, py: Python<'_>, operation: &str, timeout_ms: u64) -> PyResult<()> {
        caught(|| {
            let (server, operation) = (Arc::clone(self.server()?), operation.to_owned());
            let timeout = Duration::from_millis(timeout_ms);
            let waited =
                block(
                    py,
                    async move { wait_for_faults_document(&server, &operation, timeout).await },
                )?;
            waited.map_err(raise)
        })
    }

    fn count(&self, operation: &str) -> PyResult<usize> {
        caught(|| count_document(self.server()?, operation).map_err(raise))
    }

    fn budget(&self, scope: &str, unit: &str) -> PyResult<String> {
        caught(|| {
            let state = budget_document(self.server()?, scope, unit).map_err(refused)?;
            Ok(state.to_string())
        })
    }

    fn shutdown(&self, py: Python<'_>) -> PyResult<()> {
        caught(|| {
            let server = Arc::clone(self.server()?);
            block(py, async move { server.shutdown().await })?.map_err(refused)
        })
    }
}

impl TestServer {
    fn server(&self) -> PyResult<&Arc<cycles_testkit::TestServer>> {
        self.server.as_ref().ok_or_else(|| errors::internal("the test server is gone"))
    }
}

impl Drop for TestServer {
    /// An inherited server belongs to the parent's threads.
    fn drop(&mut self) {
        let here = Python::try_attach(|py| self.era == runtime::era_number(py));
        if here != Some(true) {
            std::mem::forget(self.server.take());
        }
    }
}

fn refused(error: TestServerError) -> PyErr {
    raise(error.into())
}
