//! An engine over a directory: what survives, what is refused, what is found.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod clock;
mod damage;
mod fixture;
mod full;
mod history;
mod inspection;
mod listing;
mod migration;
mod refusals;
mod restart;
mod simulation;
mod tenants;
