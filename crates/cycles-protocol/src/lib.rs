//! The Cycles wire contract.
//!
//! Everything both sides of the wire agree on, and nothing else of ours below
//! it: requests and responses, amounts, ids, error codes, limits and
//! validation, scope derivation, canonical JSON, header names, and
//! [`Authority`], the one trait that a remote server and the in-process engine
//! both implement.
//!
//! The source of truth is the `OpenAPI` file `cycles-protocol-v0.yaml`;
//! comments cite its sections as `spec: …`.

mod wire;

pub mod accept;
pub mod amount;
pub mod authority;
pub mod balance;
pub mod call;
pub mod canonical;
pub mod caps;
pub mod conforms;
pub mod control;
pub mod decide;
pub mod dispatch;
pub mod effects;
pub mod error;
pub mod event;
pub mod extend;
pub mod headers;
pub mod ids;
pub mod limits;
pub mod process;
pub mod query;
pub mod reservation;
pub mod scope;
pub mod scope_filter;
pub mod settlement;
pub mod strict;
pub mod subject;
pub mod trace;

pub use accept::{IntoJsonMap, IntoMillis};
pub use amount::{Amount, SignedAmount, Unit};
pub use authority::{Authority, BoxFuture, Operation, RawRequest, RawResponse};
pub use balance::{Balance, BalanceParams, BalanceResponse};
pub use call::{Answer, Call, HttpAnswer, Permission, Principal};
pub use caps::Caps;
pub use conforms::Conforms;
pub use control::Control;
pub use decide::{Decision, DecisionRequest, DecisionResponse};
pub use effects::{Clock, Random, SystemClock, SystemRandom, UniqueIds};
pub use error::{Error, ErrorCode, ErrorKind, ErrorResponse, Retry};
pub use event::{EventCreateRequest, EventCreateResponse, EventStatus};
pub use extend::{ExtendRequest, ExtendResponse, ExtendStatus};
pub use ids::{EventId, IdempotencyKey, ReservationId};
pub use query::{ListReservationsParams, SortDirection, SortKey};
pub use reservation::{
    CommitOveragePolicy, CyclesEvidenceRef, ReservationCreateRequest, ReservationCreateResponse,
    ReservationDetail, ReservationEvidence, ReservationListResponse, ReservationStatus,
    ReservationSummary,
};
pub use scope_filter::ScopeFilter;
pub use settlement::{
    CommitRequest, CommitResponse, CommitStatus, CyclesMetrics, ReleaseRequest, ReleaseResponse,
    ReleaseStatus,
};
pub use subject::{Action, Subject};

/// A JSON object as it travels in `metadata`, `custom` and `details`.
pub type JsonMap = serde_json::Map<String, serde_json::Value>;
