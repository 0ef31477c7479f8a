//! Runs the ledger in process: one decision at a time per tenant, idempotency,
//! expiry exact to the clock, in memory unless a store keeps it.
//!
//! [`Engine`] is an authority without a network. It implements
//! [`Authority`](cycles_protocol::Authority) for callers whose principal is
//! known, and [`Control`](cycles_protocol::Control) for provisioning.
//! [`LocalAuthority`] is the engine behind one API key, as a server shows it.
//!
//! [`Engine::open`] is an engine whose state a [`DurableStore`](durable::DurableStore)
//! keeps; its answers wait until what they have seen is on disk.
//!
//! No queue stands in front of the ledger: the caller runs it inline under its
//! tenant's lock, and tenants run in parallel.

mod access;
mod authority;
mod calendar;
mod control;
mod cursor;
mod durability;
pub mod durable;
mod engine;
mod ids;
mod limits;
mod local;
mod operations;
mod seed;
mod statistics;
mod store;
mod time;

pub use durability::OpenError;
pub use engine::Engine;
pub use local::LocalAuthority;
pub use seed::{
    Seed, SeedAmount, SeedBudget, SeedCaps, SeedError, SeedKey, SeedLease, SeedPolicy,
    SeedRetention, SeedTenant,
};
pub use statistics::TenantStatistics;
