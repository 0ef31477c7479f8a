//! The native module of the Python package `runcycles`: converts, maps errors,
//! nothing else. The package's Python modules are what users see.

mod bridge;
mod client;
mod errors;
mod guard;
mod logs;
mod notifications;
mod process;
mod runtime;
mod selftest;
mod settlement;
mod stream;
mod testing;
mod wakeup;

use pyo3::prelude::*;

/// See `python/runcycles/_native.pyi` for the types.
#[pymodule]
mod _native {
    use super::{Bound, PyModule, PyResult, logs, process};

    #[pymodule_export]
    use super::client::{Client, config_from_env, flush_all};
    #[pymodule_export]
    use super::guard::Guard;
    #[pymodule_export]
    use super::logs::set_log_level;
    #[pymodule_export]
    use super::notifications::Notifications;
    #[pymodule_export]
    use super::process::{_after_fork_in_child, _at_exit};
    #[pymodule_export]
    use super::selftest::{
        bridge_statistics, error_samples, panic_for_test, panic_for_test_async,
        wait_forever_for_test, wait_forever_for_test_async,
    };
    #[pymodule_export]
    use super::settlement::Settlement;
    #[pymodule_export]
    use super::stream::Stream;
    #[pymodule_export]
    use super::testing::{ManualClock, TestServer};

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        process::refuse_subinterpreters(module.py())?;
        logs::collect();
        process::register(module)
    }
}
