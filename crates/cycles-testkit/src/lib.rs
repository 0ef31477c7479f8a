//! What tests need: a server per test, a clock that only moves when told, and
//! the behaviour suite that every language runs.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use cycles_testkit::{ManualClock, TestServer, Transport};
//!
//! let clock = ManualClock::default();
//! let server = TestServer::start_with_clock(
//!     "budgets: [{scope: 'tenant:acme', unit: TOKENS, allocated: 1000}]\n\
//!      keys: [{name: default, secret: cyc_test, tenant_id: acme}]",
//!     clock.clone(),
//! )
//! .await?;
//! let client = server.client(None, Transport::Http)?;
//! clock.advance(std::time::Duration::from_secs(60));
//! # drop(client); Ok(()) }
//! ```

mod clock;
mod contract;
mod document;
mod fault;
mod faults;
mod faulty;
mod recorder;
mod server;
pub mod simulation;
pub mod vectors;
mod wrapper;

pub use clock::ManualClock;
pub use document::{
    FaultDocument, budget_document, client_document, count_document, inject_document,
    pending_faults_document, wait_for_document, wait_for_faults_document,
};
pub use fault::{Effect, Fault};
pub use recorder::Recorder;
pub use server::{TestServer, TestServerError, Transport};
