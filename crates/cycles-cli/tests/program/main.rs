//! The program `cycles`, run as users run it. One binary, so that it is linked once.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod config;
mod data;
mod demo;
mod doctor;
mod explain;
mod operations;
mod provisioning;
mod replay;
mod reservations;
mod run;
mod serve;
mod support;
