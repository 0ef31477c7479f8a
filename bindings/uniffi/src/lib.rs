//! The native surface of Cycles on uniffi, for Kotlin, Swift and Ruby: it
//! converts, checks types and maps errors, nothing else.
//!
//! Documents cross as JSON text in the wire's `snake_case`. What they hold and
//! what is done with them is written in [`runcycles::document`].

#![expect(clippy::needless_pass_by_value, reason = "uniffi hands over owned values")]

mod amount;
mod client;
mod clock;
mod error;
mod guard;
mod notifications;
mod selftest;
mod server;
mod stream;

pub use amount::{is_tool_allowed, usd_microcents};
pub use client::{CyclesCore, Field, NativeResponse};
pub use clock::ManualClock;
pub use error::NativeError;
pub use guard::{Guard, Parent};
pub use selftest::{error_samples, panic_in_native, panic_in_native_task};
pub use server::TestServer;
pub use stream::Stream;

uniffi::setup_scaffolding!();
