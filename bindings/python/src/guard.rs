//! `Guard`: one guarded call between its reserve and its settlement.

use std::sync::Arc;

use pyo3::prelude::*;
use runcycles::document::{self, CommitDocument, SettlementDocument};

use crate::bridge::{self, OnCancel};
use crate::client::{object, parse, raise};
use crate::errors::{self, caught};
use crate::runtime::block;

/// Settles at most once; released when it is dropped unsettled.
#[pyclass(frozen, module = "runcycles._native")]
pub(crate) struct Guard {
    inner: Arc<document::Guard>,
}

impl Guard {
    pub(crate) fn new(guard: document::Guard) -> Self {
        Self { inner: Arc::new(guard) }
    }

    /// This call, for those inside it.
    pub(crate) fn as_parent(&self) -> Option<document::Parent> {
        self.inner.as_parent()
    }
}

#[pymethods]
impl Guard {
    #[getter]
    fn dry_run(&self) -> bool {
        self.inner.is_dry_run()
    }

    fn context(&self) -> PyResult<String> {
        caught(|| Ok(self.inner.context().to_string()))
    }

    fn commit(&self, py: Python<'_>, request: &str) -> PyResult<String> {
        caught(|| {
            let request = read(request)?;
            let guard = Arc::clone(&self.inner);
            written(&block(py, async move { guard.commit(request).await })?)
        })
    }

    fn commit_async<'py>(&self, py: Python<'py>, request: &str) -> PyResult<Bound<'py, PyAny>> {
        caught(|| {
            let request = read(request)?;
            let guard = Arc::clone(&self.inner);
            settling(py, async move { guard.commit(request).await })
        })
    }

    fn release(&self, py: Python<'_>, reason: Option<String>) -> PyResult<String> {
        caught(|| {
            let guard = Arc::clone(&self.inner);
            written(&block(py, async move { guard.release(reason).await })?)
        })
    }

    fn release_async<'py>(
        &self,
        py: Python<'py>,
        reason: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        caught(|| {
            let guard = Arc::clone(&self.inner);
            settling(py, async move { guard.release(reason).await })
        })
    }
}

fn settling(
    py: Python<'_>,
    settle: impl Future<Output = SettlementDocument> + Send + 'static,
) -> PyResult<Bound<'_, PyAny>> {
    bridge::spawn(py, OnCancel::GoOn, settle, |py, settled| object(py, written(&settled)?))
}

fn read(request: &str) -> PyResult<CommitDocument> {
    document::read("commit", parse("commit", request)?).map_err(raise)
}

fn written(settlement: &SettlementDocument) -> PyResult<String> {
    serde_json::to_string(settlement).map_err(|error| {
        errors::internal(&format!("a settlement cannot be written reason={error}"))
    })
}
