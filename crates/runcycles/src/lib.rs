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

mod builder;
mod circuit;
mod client;
mod config;
mod credentials;
mod deadline;
pub mod document;
mod error;
mod guard;
mod heartbeat;
mod http;
mod idempotency;
mod journal;
mod lifecycle;
mod low_level;
mod nested;
mod pending;
mod replay;
mod report;
mod schedule;
mod settings;
mod settlement;
mod shutdown;
mod spend;
mod stream;
mod unreachable;
mod vars;
mod verdict;

pub use builder::CyclesClientBuilder;
pub use circuit::CircuitState;
pub use client::CyclesClient;
pub use config::CyclesConfig;
pub use error::{Error, ErrorReport, TransportError};
pub use guard::{Begun, ReservationGuard};
pub use heartbeat::{HeartbeatDisposition, HeartbeatFailure};
pub use http::HttpAuthority;
pub use journal::{JournalStats, JournalSync};
pub use lifecycle::{GuardContext, GuardedError, WithCyclesConfig, with_cycles};
pub use nested::Nested;
pub use report::{SettlementOutcome, SettlementReport};
pub use settings::SettlementMode;
pub use settlement::Settlement;
pub use stream::{Flow, OnLimit, StreamOptions, StreamReservation, StreamUsage};
pub use unreachable::{OnUnreachable, UnseenWork};
pub use vars::TimeUnit;

/// Requests, responses and values, as they stand on the wire.
pub mod models {
    pub use cycles_protocol::{
        Action, Amount, Balance, BalanceParams, BalanceResponse, Caps, CommitOveragePolicy,
        CommitRequest, CommitResponse, CommitStatus, CyclesEvidenceRef, CyclesMetrics, Decision,
        DecisionRequest, DecisionResponse, ErrorCode, ErrorResponse, EventCreateRequest,
        EventCreateResponse, EventId, EventStatus, ExtendRequest, ExtendResponse, ExtendStatus,
        IdempotencyKey, JsonMap, ListReservationsParams, ReleaseRequest, ReleaseResponse,
        ReleaseStatus, ReservationCreateRequest, ReservationCreateResponse, ReservationDetail,
        ReservationId, ReservationListResponse, ReservationStatus, ReservationSummary,
        SignedAmount, SortDirection, SortKey, Subject, Unit,
    };
}
