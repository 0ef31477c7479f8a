//! Keeps an engine's ledger in one directory: embedded SQLite in WAL mode, one
//! transaction for each batch of decisions.
//!
//! [`SqliteStore`] is what [`Engine::open`](cycles_engine::Engine::open) starts
//! from. One thread writes: whatever has come together while the disk was busy
//! is the next transaction, and answers leave once theirs is on disk.

#[cfg(not(unix))]
compile_error!(
    "a data directory needs a Unix system: files are read and written at offsets, and locked. \
     The engine in memory, the server and the SDKs build everywhere"
);

mod apply;
mod backup;
mod checkpoint;
mod directory;
mod error;
mod export;
mod keys;
mod list;
mod log;
mod pool;
mod progress;
mod reader;
mod rows;
mod schema;
mod sqlite;
mod steps;
mod sums;
mod tidy;
mod verify;
mod writer;

pub use backup::backup;
pub use error::StoreError;
pub use export::{ExportError, export};
pub use sqlite::SqliteStore;
pub use steps::{Observer, Options, Step};
pub use verify::{Verified, verify};
pub use writer::Backlog;
