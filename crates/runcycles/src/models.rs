//! Requests, responses and values, as they stand on the wire. The modules below
//! hold the same types under the paths that `runcycles` 0.3 has.

pub use cycles_protocol::{
    Action, Amount, Balance, BalanceResponse, Caps, CommitOveragePolicy, CommitRequest,
    CommitResponse, CommitStatus, CyclesEvidenceRef, CyclesMetrics, Decision, DecisionRequest,
    DecisionResponse, ErrorCode, ErrorResponse, EventCreateRequest, EventCreateResponse, EventId,
    EventStatus, ExtendRequest, ExtendResponse, ExtendStatus, IdempotencyKey, IntoJsonMap,
    IntoMillis, JsonMap, ReleaseRequest, ReleaseResponse, ReleaseStatus, ReservationCreateRequest,
    ReservationCreateResponse, ReservationDetail, ReservationEvidence, ReservationId,
    ReservationListResponse, ReservationStatus, ReservationSummary, SignedAmount, SortDirection,
    SortKey, Subject, Unit,
};

pub use crate::params::{BalanceParams, ListReservationsParams};

/// What a dry run is answered: a create's answer that holds nothing.
pub type DryRunResult = ReservationCreateResponse;

/// Values that stand in requests and in responses.
pub mod common {
    pub use super::{Action, Amount, Balance, Caps, CyclesMetrics, SignedAmount, Subject};
}

/// Closed sets of words.
pub mod enums {
    pub use super::{
        CommitOveragePolicy, CommitStatus, Decision, ErrorCode, EventStatus, ExtendStatus,
        ReleaseStatus, ReservationStatus, Unit,
    };
}

/// Ids.
pub mod ids {
    pub use super::{EventId, IdempotencyKey, ReservationId};
}

/// What is asked.
pub mod request {
    pub use super::{
        BalanceParams, CommitRequest, DecisionRequest, EventCreateRequest, ExtendRequest,
        ListReservationsParams, ReleaseRequest, ReservationCreateRequest,
    };
}

/// What is answered.
pub mod response {
    pub use super::{
        BalanceResponse, CommitResponse, CyclesEvidenceRef, DecisionResponse, DryRunResult,
        ErrorResponse, EventCreateResponse, ExtendResponse, ReleaseResponse,
        ReservationCreateResponse, ReservationDetail, ReservationListResponse, ReservationSummary,
    };
}
