//! The process's beginning, forks and end.

use std::time::Duration;

use pyo3::exceptions::PyImportError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::bridge;
use crate::errors::caught;
use crate::logs;
use crate::runtime;

/// How long the end of the process waits for settlements under way. Clients
/// that are still open were flushed before, with their own timeout.
const LAST_SETTLEMENTS: Duration = Duration::from_secs(2);

/// Refuses every interpreter but the main one: the state of this module is the
/// process's, and its objects would be shared.
pub(crate) fn refuse_subinterpreters(py: Python<'_>) -> PyResult<()> {
    let interpreters = py.import("_interpreters").or_else(|_| py.import("_xxsubinterpreters"));
    // Other implementations of Python have none.
    let Ok(interpreters) = interpreters else { return Ok(()) };
    let current = interpreters.call_method0("get_current")?;
    if current.eq(interpreters.call_method0("get_main")?)? {
        return Ok(());
    }
    Err(PyImportError::new_err("this module does not run in a subinterpreter"))
}

/// Registers what a fork and the interpreter's end need.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let os = py.import("os")?;
    // Windows has no fork.
    if os.hasattr("register_at_fork")? {
        let hooks = PyDict::new(py);
        hooks.set_item("after_in_child", module.getattr("_after_fork_in_child")?)?;
        os.call_method("register_at_fork", (), Some(&hooks))?;
    }
    py.import("atexit")?.call_method1("register", (module.getattr("_at_exit")?,))?;
    Ok(())
}

/// Threads do not survive a fork: the child starts over.
#[pyfunction]
pub(crate) fn _after_fork_in_child(py: Python<'_>) -> PyResult<()> {
    caught(|| {
        logs::forget_parent();
        bridge::forget_parent(py);
        runtime::forget_parent(py);
        Ok(())
    })
}

/// Waits, bounded, for settlements; then no thread touches Python any more.
#[pyfunction]
pub(crate) fn _at_exit(py: Python<'_>) -> PyResult<()> {
    caught(|| {
        if let Some(era) = runtime::begun(py) {
            era.settle(py, LAST_SETTLEMENTS);
        }
        bridge::shutdown(py);
        Ok(())
    })
}
