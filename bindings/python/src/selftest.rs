//! Exports that let the package's tests look across the boundary.

use futures_util::FutureExt;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use runcycles::ErrorReport;

use crate::bridge::{self, Begin, OnCancel};
use crate::client::object;
use crate::errors::{self, caught};
use crate::runtime::block;

/// Every kind of error as its exception, by kind.
#[pyfunction]
pub(crate) fn error_samples(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    caught(|| {
        let samples = PyDict::new(py);
        for report in ErrorReport::samples() {
            samples.set_item(report.kind, errors::from_report(&report).into_value(py))?;
        }
        Ok(samples)
    })
}

/// Panics on the calling thread.
#[pyfunction]
pub(crate) fn panic_for_test() -> PyResult<()> {
    caught(|| panic!("asked for by a test"))
}

/// Panics in awaited work.
#[pyfunction]
pub(crate) fn panic_for_test_async(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    caught(|| {
        let work = async { panic!("asked for by a test") };
        bridge::spawn(py, Begin::Elsewhere, OnCancel::GoOn, work, |py, (): ()| object(py, ()))
    })
}

/// Waits until it is interrupted.
#[pyfunction]
pub(crate) fn wait_forever_for_test(py: Python<'_>) -> PyResult<()> {
    caught(|| block(py, std::future::pending()))
}

/// Awaits for ever; aborted when cancelled.
#[pyfunction]
pub(crate) fn wait_forever_for_test_async(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    caught(|| {
        let work = std::future::pending().boxed();
        bridge::spawn(py, Begin::Elsewhere, OnCancel::Abort, work, |py, (): ()| object(py, ()))
    })
}

/// How many loops have a bridge and how many futures wait.
#[pyfunction]
pub(crate) fn bridge_statistics(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    caught(|| bridge::statistics(py))
}
