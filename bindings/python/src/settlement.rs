//! `Settlement`: how a guarded call was settled, written out when somebody asks.

use pyo3::prelude::*;
use runcycles::document::SettlementDocument;

use crate::bridge::{self, Begin, OnCancel};
use crate::client::object;
use crate::errors::{self, caught};

/// What a settlement came to.
#[pyclass(frozen, module = "runcycles._native")]
pub(crate) struct Settlement {
    document: SettlementDocument,
}

impl Settlement {
    pub(crate) const fn new(document: SettlementDocument) -> Self {
        Self { document }
    }
}

#[pymethods]
impl Settlement {
    #[getter]
    fn outcome(&self) -> &'static str {
        self.document.outcome
    }

    /// Whether its `error` says something.
    #[getter]
    fn has_error(&self) -> bool {
        self.document.error.is_some()
    }

    /// Everything that is known of it, as JSON.
    fn document(&self) -> PyResult<String> {
        caught(|| {
            serde_json::to_string(&self.document).map_err(|error| {
                errors::internal(&format!("a settlement cannot be written reason={error}"))
            })
        })
    }
}

/// Settles whatever becomes of the awaiting side: money is on its way.
pub(crate) fn settling(
    py: Python<'_>,
    begin: Begin,
    settle: impl Future<Output = SettlementDocument> + Send + 'static,
) -> PyResult<Bound<'_, PyAny>> {
    bridge::spawn(py, begin, OnCancel::GoOn, settle, |py, settled| {
        object(py, Settlement::new(settled))
    })
}
