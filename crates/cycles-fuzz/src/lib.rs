//! What must hold for any input at all.
//!
//! Each function takes bytes and panics where something does not hold. The
//! targets in `fuzz/` hand them what libFuzzer thinks of; `tests/corpus.rs`
//! hands them what is committed under `fuzz/corpus`, with every test run.

mod cursors;
mod dispatch;
mod requests;
mod texts;
mod world;

pub use cursors::cursors;
pub use dispatch::dispatch;
pub use requests::requests;
pub use texts::texts;

/// Takes any bytes; panics where something does not hold.
pub type Check = fn(&[u8]);

/// Every check, by the name of its target and corpus.
pub const TARGETS: [(&str, Check); 4] =
    [("requests", requests), ("dispatch", dispatch), ("cursors", cursors), ("texts", texts)];
