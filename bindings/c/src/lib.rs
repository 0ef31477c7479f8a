//! The native surface of Cycles as a C ABI: it converts, checks pointers and maps
//! errors, nothing else. `include/cycles.h` is generated from it.
//!
//! Documents cross as JSON text in the wire's `snake_case`. What they hold and
//! what is done with them is written in [`runcycles::document`].

#![expect(unsafe_code, reason = "a C ABI is pointers and unmangled names")]
#![expect(clippy::doc_markdown, reason = "the comments are those of a C header")]

pub mod amount;
pub mod client;
pub mod clock;
mod failure;
pub mod guard;
pub mod server;
pub mod stream;
pub mod task;
pub mod text;
