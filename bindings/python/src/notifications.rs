//! `Notifications`: what happens in the background, taken in batches by Python's
//! own threads. The core never calls into Python.

use pyo3::prelude::*;

use crate::errors::{self, caught};
use crate::runtime::block;

/// The queue of one client; it does not keep the client alive.
#[pyclass(frozen, weakref, module = "runcycles._native")]
pub(crate) struct Notifications {
    queue: runcycles::Notifications,
}

impl Notifications {
    pub(crate) const fn new(queue: runcycles::Notifications) -> Self {
        Self { queue }
    }
}

#[pymethods]
impl Notifications {
    /// What is there, as a JSON array.
    fn take(&self) -> PyResult<String> {
        caught(|| written(&self.queue.take()))
    }

    /// Waits for some; `None` once the client has ended or the queue is closed.
    fn next(&self, py: Python<'_>) -> PyResult<Option<String>> {
        caught(|| {
            let queue = self.queue.clone();
            let batch = block(py, async move { queue.next().await })?;
            batch.as_deref().map(written).transpose()
        })
    }

    /// Ends `next`.
    fn close(&self) {
        self.queue.close();
    }
}

fn written(batch: &[runcycles::Notification]) -> PyResult<String> {
    serde_json::to_string(batch).map_err(|error| {
        errors::internal(&format!("notifications cannot be written reason={error}"))
    })
}
