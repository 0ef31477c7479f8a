//! The server as callers see it. One binary, so that it is linked once.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod audit;
mod authentication;
mod bad_input;
mod decisions;
mod embedded;
mod hostile;
mod http;
mod listings;
mod policies;
mod provisioning;
mod support;
