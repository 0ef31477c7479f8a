//! Errors become the classes of `runcycles.exceptions`; panics become
//! `CyclesInternalError` and the interpreter lives on.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use runcycles::ErrorReport;
use serde_json::json;

use crate::logs;

static FROM_REPORT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// The Python exception for an error report.
pub(crate) fn from_report(report: &ErrorReport) -> PyErr {
    match serde_json::to_string(report) {
        Ok(report) => raised(&report),
        Err(error) => internal(&format!("an error report cannot be written reason={error}")),
    }
}

fn raised(report: &str) -> PyErr {
    Python::attach(|py| build(py, report).unwrap_or_else(|error| error))
}

fn build(py: Python<'_>, report: &str) -> PyResult<PyErr> {
    let factory = FROM_REPORT.get_or_try_init(py, || {
        let module = py.import("runcycles.exceptions")?;
        module.getattr("error_from_report").map(Bound::unbind)
    })?;
    Ok(PyErr::from_value(factory.bind(py).call1((report,))?))
}

/// A defect of ours, never of the caller.
pub(crate) fn internal(message: &str) -> PyErr {
    raised(&json!({"kind": "Internal", "message": message}).to_string())
}

/// An argument that cannot be sent as it is.
pub(crate) fn validation(message: &str) -> PyErr {
    raised(&json!({"kind": "Validation", "message": message}).to_string())
}

/// Runs an export's body; a panic in it is raised as `CyclesInternalError`. On the
/// way out, log messages that wait are handed over.
pub(crate) fn caught<T>(body: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
    let outcome =
        catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
    logs::deliver();
    outcome
}

/// The exception for a caught panic.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> PyErr {
    let reason = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("unknown");
    internal(&format!("the native module panicked reason={reason}"))
}
