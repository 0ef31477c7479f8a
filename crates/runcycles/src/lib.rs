//! Cycles SDK core: **reserve** budget before the work, run it, **commit** what
//! it really cost; the rest flows back.
//!
//! ```no_run
//! use runcycles::{CyclesClient, WithCyclesConfig, models::Amount, with_cycles};
//!
//! # async fn example() -> Result<(), runcycles::Error> {
//! let client = CyclesClient::builder("cyc_live_…", "http://127.0.0.1:7878").tenant("acme").build();
//! let reply = with_cycles(
//!     &client,
//!     WithCyclesConfig::new(Amount::usd("0.02")?).action("llm.completion", "gpt-4o"),
//!     |_context| async { Ok(("hello".to_owned(), Amount::usd("0.013")?)) },
//! )
//! .await?;
//! # drop(reply); Ok(()) }
//! ```
//!
//! [`CyclesClient`] talks to a remote authority over HTTP, or to one in process
//! (feature `embedded`); the code after construction is the same. Everything a
//! language package does is written here once: keys, retries, leases and
//! settlement. [`document`] is the surface that those packages dress.

#[cfg(feature = "blocking")]
pub mod blocking;
pub mod client;
pub mod config;
pub mod document;
pub mod error;
pub mod guard;
pub mod lifecycle;
pub mod models;
pub mod response;
pub mod validation;

mod actual;
mod base_url;
mod builder;
mod certificates;
mod circuit;
mod credentials;
mod deadline;
mod heartbeat;
mod http;
mod idempotency;
mod journal;
mod layer;
mod lease;
mod low_level;
mod metadata;
mod metrics;
mod nested;
mod notifications;
mod observed;
mod pages;
mod params;
mod pending;
mod replay;
mod report;
mod schedule;
mod settings;
mod settlement;
mod shutdown;
mod spend;
mod stream;
mod traces;
mod unreachable;
mod vars;
mod verdict;

#[cfg(feature = "blocking")]
pub use blocking::{BlockingCyclesClient, BlockingReservationGuard};
pub use builder::CyclesClientBuilder;
pub use circuit::CircuitState;
pub use client::CyclesClient;
pub use config::CyclesConfig;
pub use error::{Error, ErrorReport, TransportError};
pub use guard::{Begun, ReservationGuard};
pub use heartbeat::{HeartbeatDisposition, HeartbeatFailure};
pub use http::{HttpAuthority, http_client};
pub use journal::{JournalStats, JournalSync};
pub use lease::{HeartbeatPolicy, Lease, LeaseLost};
pub use lifecycle::{GuardContext, GuardedError, WithCyclesConfig, with_cycles};
pub use nested::Nested;
pub use notifications::{Notification, Notifications};
pub use report::{SettlementOutcome, SettlementReport};
/// The HTTP client that [`CyclesClientBuilder::http_client`] takes.
pub use reqwest;
pub use response::ApiResponse;
pub use settings::SettlementMode;
pub use settlement::Settlement;
pub use stream::{Flow, OnLimit, StreamOptions, StreamReservation, StreamUsage};
pub use unreachable::{OnUnreachable, UnseenWork};
pub use vars::TimeUnit;
