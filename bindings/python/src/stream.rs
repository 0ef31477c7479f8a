//! `Stream`: a hold that is watched while output flows.

use std::sync::Arc;

use pyo3::prelude::*;
use runcycles::document::{self, FlowDocument, UsageDocument};

use crate::bridge::{self, Begin, OnCancel};
use crate::client::{object, parse, raise};
use crate::errors::caught;
use crate::runtime::block;
use crate::settlement::{Settlement, settling};

/// `continue`, `cut` or `refused`, and the error that says why.
type Flow = (&'static str, Option<Py<PyAny>>);

/// Settles at most once; what was counted is committed when it is dropped.
#[pyclass(frozen, module = "runcycles._native")]
pub(crate) struct Stream {
    inner: Arc<document::Stream>,
    begin: Begin,
}

impl Stream {
    pub(crate) fn new(stream: document::Stream, begin: Begin) -> Self {
        Self { inner: Arc::new(stream), begin }
    }

    /// This stream, for the calls inside it.
    pub(crate) fn as_parent(&self) -> Option<document::Parent> {
        self.inner.as_parent()
    }
}

#[pymethods]
impl Stream {
    fn context(&self) -> PyResult<String> {
        caught(|| Ok(self.inner.context().to_string()))
    }

    /// Notes what was used, for the case that the stream is dropped.
    fn count(&self, usage: &str) -> PyResult<()> {
        caught(|| {
            self.inner.count(read(usage)?);
            Ok(())
        })
    }

    fn proceed(&self, py: Python<'_>, usage: &str) -> PyResult<Flow> {
        caught(|| {
            let (stream, usage) = (Arc::clone(&self.inner), read(usage)?);
            Ok(flow(py, block(py, async move { stream.proceed(usage).await })?))
        })
    }

    fn proceed_async<'py>(&self, py: Python<'py>, usage: &str) -> PyResult<Bound<'py, PyAny>> {
        caught(|| {
            let (stream, usage) = (Arc::clone(&self.inner), read(usage)?);
            // Goes on when cancelled: a further hold must reach its stream.
            let asking = async move { stream.proceed(usage).await };
            // Most pieces fit into what is held, and are answered at once.
            bridge::spawn(py, Begin::Here, OnCancel::GoOn, asking, |py, next| {
                object(py, flow(py, next))
            })
        })
    }

    /// Completes with the error when a lease is lost and the `heartbeat_policy` is `cancel`.
    fn lost_async<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        caught(|| {
            let lost = self.inner.lost();
            bridge::spawn(py, Begin::Elsewhere, OnCancel::Abort, lost, |py, report| {
                object(py, raise(report).into_value(py))
            })
        })
    }

    fn finish(&self, py: Python<'_>, usage: &str) -> PyResult<Settlement> {
        caught(|| {
            let (stream, usage) = (Arc::clone(&self.inner), read(usage)?);
            Ok(Settlement::new(block(py, async move { stream.finish(usage).await })?))
        })
    }

    fn finish_async<'py>(&self, py: Python<'py>, usage: &str) -> PyResult<Bound<'py, PyAny>> {
        caught(|| {
            let (stream, usage) = (Arc::clone(&self.inner), read(usage)?);
            settling(py, self.begin, async move { stream.finish(usage).await })
        })
    }

    fn abort(&self, py: Python<'_>, usage: &str, reason: Option<String>) -> PyResult<Settlement> {
        caught(|| {
            let (stream, usage) = (Arc::clone(&self.inner), read(usage)?);
            Ok(Settlement::new(block(py, async move { stream.abort(usage, reason).await })?))
        })
    }

    fn abort_async<'py>(
        &self,
        py: Python<'py>,
        usage: &str,
        reason: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        caught(|| {
            let (stream, usage) = (Arc::clone(&self.inner), read(usage)?);
            settling(py, self.begin, async move { stream.abort(usage, reason).await })
        })
    }
}

fn read(usage: &str) -> PyResult<UsageDocument> {
    document::read("usage", parse("usage", usage)?).map_err(raise)
}

fn flow(py: Python<'_>, next: FlowDocument) -> Flow {
    (next.flow, next.error.map(|report| raise(report).into_value(py).into_any()))
}
