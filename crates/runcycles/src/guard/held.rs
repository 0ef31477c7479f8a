//! What settling needs to know of a reservation.

use std::ops::Deref;
use std::sync::Arc;

use cycles_protocol::{
    Error as Refusal, ReleaseRequest, ReservationCreateRequest, ReservationCreateResponse,
    ReservationId, limits,
};

use crate::client::CyclesClient;
use crate::lease::{HeartbeatPolicy, Lease, LeaseLost};
use crate::settlement::Settlement;

/// What settling needs to know of a reservation. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Held(Arc<Holding>);

#[derive(Debug)]
pub(crate) struct Holding {
    pub(crate) client: CyclesClient,
    pub(crate) id: ReservationId,
    pub(crate) request: Arc<ReservationCreateRequest>,
    pub(crate) response: Arc<ReservationCreateResponse>,
    pub(crate) trace_id: Arc<str>,
    /// Whether nothing is held, because the authority could not be asked.
    pub(crate) unseen: bool,
    pub(super) lease: Lease,
}

impl Deref for Held {
    type Target = Holding;

    fn deref(&self) -> &Holding {
        &self.0
    }
}

impl From<Holding> for Held {
    fn from(holding: Holding) -> Self {
        Self(Arc::new(holding))
    }
}

impl Held {
    /// The same hold, for the `request` of an inner call.
    pub(super) fn asked(&self, request: Arc<ReservationCreateRequest>) -> Self {
        let Holding { client, id, response, trace_id, unseen, lease, .. } = &**self;
        Self::from(Holding {
            client: client.clone(),
            id: id.clone(),
            request,
            response: Arc::clone(response),
            trace_id: Arc::clone(trace_id),
            unseen: *unseen,
            lease: lease.clone(),
        })
    }

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
