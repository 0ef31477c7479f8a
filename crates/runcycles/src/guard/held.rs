//! What settling needs to know of a reservation.

use std::sync::Arc;

use cycles_protocol::{
    Error as Refusal, ReleaseRequest, ReservationCreateRequest, ReservationCreateResponse,
    ReservationId, limits,
};

use crate::client::CyclesClient;
use crate::lease::{HeartbeatPolicy, Lease, LeaseLost};
use crate::settlement::Settlement;

/// What settling needs to know of a reservation.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) client: CyclesClient,
    pub(crate) id: ReservationId,
    pub(crate) request: Arc<ReservationCreateRequest>,
    pub(crate) response: Arc<ReservationCreateResponse>,
    pub(crate) trace_id: String,
    /// Whether nothing is held, because the authority could not be asked.
    pub(crate) unseen: bool,
    pub(super) lease: Lease,
}

impl Held {
    /// Whether lost leases stop the work.
    pub(crate) fn cancels(&self) -> bool {
        self.client.settings().heartbeat_policy == HeartbeatPolicy::Cancel
    }

    /// That the lease was lost before a spend was booked, where the policy wants
    /// to hear of it.
    pub(crate) fn loss_to_report(&self, settlement: &Settlement) -> Option<LeaseLost> {
        if self.client.settings().heartbeat_policy == HeartbeatPolicy::Warn {
            return None;
        }
        match settlement {
            Settlement::Committed(_) => self.lease.loss(),
            Settlement::RecoveredViaEvent(_) => {
                self.lease.lose("the authority answered that it had expired");
                self.lease.loss()
            }
            _ => None,
        }
    }

    /// The refusal of one attempt, with the reservation named.
    pub(crate) fn warn(&self, error: &Refusal, what: &str) {
        tracing::warn!(reservation_id = %self.id, %error, "{what}");
    }

    pub(crate) fn release_request(reason: Option<String>) -> ReleaseRequest {
        let reason = reason
            .map(|reason| reason.chars().take(limits::RELEASE_REASON_MAX).collect::<String>());
        ReleaseRequest::builder().maybe_reason(reason).build()
    }
}
