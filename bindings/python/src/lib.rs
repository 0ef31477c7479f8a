//! The native module of the Python package `runcycles`.
mod bridge;
mod errors;
mod runtime;
mod wakeup;
