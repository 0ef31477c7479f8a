//! `Guard`: one guarded call between its reserve and its settlement.

use std::sync::Arc;

use pyo3::prelude::*;
use runcycles::document::{self, CommitDocument};

use crate::bridge::{self, Begin, OnCancel};
use crate::client::{object, parse, raise};
use crate::errors::caught;
use crate::runtime::block;
use crate::settlement::{Settlement, settling};

/// Settles at most once; released when it is dropped unsettled.
#[pyclass(frozen, module = "runcycles._native")]
pub(crate) struct Guard {
    inner: Arc<document::Guard>,
    begin: Begin,
}

impl Guard {
    pub(crate) fn new(guard: document::Guard, begin: Begin) -> Self {
        Self { inner: Arc::new(guard), begin }
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

    /// Whether the work is to be cancelled when `lost_async` completes.
    #[getter]
    fn cancels(&self) -> bool {
        self.inner.cancels()
    }

    fn context(&self) -> PyResult<String> {
        caught(|| Ok(self.inner.context().to_string()))
    }

    fn commit(&self, py: Python<'_>, request: &str) -> PyResult<Settlement> {
        caught(|| {
            let request = read(request)?;
            let guard = Arc::clone(&self.inner);
            Ok(Settlement::new(block(py, async move { guard.commit(request).await })?))
        })
    }

    fn commit_async<'py>(&self, py: Python<'py>, request: &str) -> PyResult<Bound<'py, PyAny>> {
        caught(|| {
            let request = read(request)?;
            let guard = Arc::clone(&self.inner);
            settling(py, self.begin, async move { guard.commit(request).await })
        })
    }

    fn release(&self, py: Python<'_>, reason: Option<String>) -> PyResult<Settlement> {
        caught(|| {
            let guard = Arc::clone(&self.inner);
            Ok(Settlement::new(block(py, async move { guard.release(reason).await })?))
        })
    }

    fn release_async<'py>(
        &self,
        py: Python<'py>,
        reason: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        caught(|| {
            let guard = Arc::clone(&self.inner);
            settling(py, self.begin, async move { guard.release(reason).await })
        })
    }

    /// Completes when the lease is lost, with the error to raise once the work is
    /// cancelled and the guard abandoned.
    fn lost_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        caught(|| {
            let guard = Arc::clone(&self.inner);
            let lost = async move { guard.lost().await };
            bridge::spawn(py, Begin::Elsewhere, OnCancel::Abort, lost, |py, report| {
                object(py, raise(report).into_value(py))
            })
        })
    }

    /// Gives up work that was cancelled because its lease was lost.
    fn abandon_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        caught(|| {
            let guard = Arc::clone(&self.inner);
            let abandoning = async move { guard.abandon().await };
            bridge::spawn(py, self.begin, OnCancel::GoOn, abandoning, object)
        })
    }
}

fn read(request: &str) -> PyResult<CommitDocument> {
    document::read("commit", parse("commit", request)?).map_err(raise)
}
