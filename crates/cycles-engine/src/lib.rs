//! Runs the ledger in process: one decision at a time per tenant, idempotency,
//! expiry exact to the clock, and a memory store.
//!
//! [`Engine`] is an authority without a network. It implements
//! [`Authority`](cycles_protocol::Authority) for callers whose principal is
//! known, and [`Control`](cycles_protocol::Control) for provisioning.
//! [`LocalAuthority`] is the engine behind one API key, as a server shows it.
//!
//! No queue stands in front of the ledger: the caller runs it inline under its
//! tenant's lock, and tenants run in parallel.

mod access;
mod authority;
mod calendar;
mod control;
mod cursor;
mod engine;
mod ids;
mod limits;
mod local;
mod operations;
mod seed;
mod store;
mod time;

pub use engine::Engine;
pub use local::LocalAuthority;
pub use seed::{
    Seed, SeedAmount, SeedBudget, SeedCaps, SeedError, SeedKey, SeedLease, SeedPolicy,
    SeedRetention, SeedTenant,
};
