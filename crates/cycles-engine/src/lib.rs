//! Runs the ledger in process: one decision at a time per tenant, idempotency,
//! expiry and a memory store.
//!
//! [`Engine`] is an authority without a network. It implements
//! [`Authority`](cycles_protocol::Authority) for callers whose principal is
//! known, and [`Control`](cycles_protocol::Control) for provisioning.
//! [`LocalAuthority`] is the engine behind one API key, as a server would see
//! it.

mod engine;
mod local;
mod seed;

pub use engine::Engine;
pub use local::LocalAuthority;
pub use seed::{Seed, SeedAmount, SeedBudget, SeedError, SeedKey, SeedTenant};
