//! `Guard`: one guarded call between its reserve and its settlement.

use std::sync::Arc;

use pyo3::prelude::*;
use runcycles::document::{self, CommitDocument, SettlementDocument};

use crate::bridge::{self, OnCancel};
use crate::client::{object, parse, raise};
use crate::errors::{self, caught};
use crate::runtime::{self, block};

/// What settling an inherited guard comes to.
const INHERITED: &str = r#"{"outcome":"nothing_to_settle","response":null,"error":null}"#;

/// Settles at most once; released when it is dropped unsettled.
#[pyclass(frozen, module = "runcycles._native")]
pub(crate) struct Guard {
    inner: Arc<document::Guard>,
    era: u64,
    #[pyo3(get)]
    dry_run: bool,
}

impl Guard {
    pub(crate) fn new(py: Python<'_>, guard: document::Guard, dry_run: bool) -> Self {
        Self { inner: Arc::new(guard), era: runtime::era_number(py), dry_run }
    }

    /// The core's guard; `None` in a forked child, where it still belongs to
    /// the parent, which will settle it.
    fn own(&self, py: Python<'_>) -> Option<Arc<document::Guard>> {
        (self.era == runtime::era_number(py)).then(|| Arc::clone(&self.inner))
    }
}

#[pymethods]
impl Guard {
    fn context(&self) -> PyResult<String> {
        caught(|| Ok(self.inner.context().to_string()))
    }

    fn commit(&self, py: Python<'_>, request: &str) -> PyResult<String> {
        caught(|| {
            let request = read(request)?;
            let Some(guard) = self.own(py) else { return Ok(INHERITED.to_owned()) };
            written(&block(py, async move { guard.commit(request).await })?)
        })
    }

    fn commit_async<'py>(&self, py: Python<'py>, request: &str) -> PyResult<Bound<'py, PyAny>> {
        caught(|| {
            let request = read(request)?;
            settling(py, self.own(py), |guard| async move { guard.commit(request).await })
        })
    }

    fn release(&self, py: Python<'_>, reason: Option<String>) -> PyResult<String> {
        caught(|| {
            let Some(guard) = self.own(py) else { return Ok(INHERITED.to_owned()) };
            written(&block(py, async move { guard.release(reason).await })?)
        })
    }

    fn release_async<'py>(
        &self,
        py: Python<'py>,
        reason: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        caught(|| settling(py, self.own(py), |guard| async move { guard.release(reason).await }))
    }
}

fn settling<F>(
    py: Python<'_>,
    guard: Option<Arc<document::Guard>>,
    settle: impl FnOnce(Arc<document::Guard>) -> F,
) -> PyResult<Bound<'_, PyAny>>
where
    F: Future<Output = SettlementDocument> + Send + 'static,
{
    match guard {
        Some(guard) => bridge::spawn(py, OnCancel::GoOn, settle(guard), |py, settled| {
            object(py, written(&settled)?)
        }),
        None => bridge::ready(py, INHERITED),
    }
}

fn read(request: &str) -> PyResult<CommitDocument> {
    document::read("commit", parse("commit", request)?).map_err(raise)
}

fn written(settlement: &SettlementDocument) -> PyResult<String> {
    serde_json::to_string(settlement).map_err(|error| {
        errors::internal(&format!("a settlement cannot be written reason={error}"))
    })
}
