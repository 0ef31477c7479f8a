//! Tells what became of settlements that nobody waits for any more.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use cycles_protocol::{Error, ReservationId};

use crate::settlement::Settlement;

/// What became of a settlement after its caller had its result.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SettlementReport {
    /// Whose; work that was allowed unseen has an id that begins with `offline-`.
    pub reservation_id: ReservationId,
    /// How it stands.
    pub outcome: SettlementOutcome,
    /// Why it is retained or was refused.
    pub error: Option<Error>,
}

/// How a settlement in the background stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettlementOutcome {
    /// Charged.
    Committed,
    /// Booked as a direct event.
    RecoveredViaEvent,
    /// Refused until somebody changes a key or a budget; the journal keeps it
    /// and tries it again. Reported each time.
    Retained,
    /// Refused for good: the spend is not booked.
    Refused,
}

type Callback = dyn Fn(&SettlementReport) + Send + Sync;

/// Who wants to know.
#[derive(Clone, Default)]
pub(crate) struct OnSettlement(pub(crate) Option<Arc<Callback>>);

impl std::fmt::Debug for OnSettlement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OnSettlement").field(&self.0.is_some()).finish()
    }
}

impl OnSettlement {
    /// Tells how `settlement` stands; `Pending` is one that was retained.
    pub(crate) fn tell(&self, reservation_id: &ReservationId, settlement: Settlement) {
        let (outcome, error) = match settlement {
            Settlement::Committed(_) => (SettlementOutcome::Committed, None),
            Settlement::RecoveredViaEvent(_) => (SettlementOutcome::RecoveredViaEvent, None),
            Settlement::Refused(error) => {
                tracing::error!(%reservation_id, %error, "settlement was refused; the spend is not booked");
                (SettlementOutcome::Refused, Some(error))
            }
            Settlement::Pending(error) => (SettlementOutcome::Retained, Some(error)),
            Settlement::Queued | Settlement::Inherited(_) | Settlement::Released(_) => return,
        };
        let Some(callback) = &self.0 else { return };
        let report = SettlementReport { reservation_id: reservation_id.clone(), outcome, error };
        if catch_unwind(AssertUnwindSafe(|| callback(&report))).is_err() {
            tracing::error!(%reservation_id, "on_settlement panicked");
        }
    }
}
