//! How a guard ends: by a commit, a release, or its drop.

use std::sync::Arc;

use cycles_protocol::{
    Amount, Balance, CommitRequest, CommitResponse, CommitStatus, ReleaseResponse, ReleaseStatus,
};

use super::{Held, ReservationGuard};
use crate::actual;
use crate::error::Error;
use crate::metrics;
use crate::settlement::{self, Settlement, Wait};

/// What is to be booked, and where.
pub(crate) enum Prepared {
    /// On the reservation.
    Commit(Held, CommitRequest),
    /// The outer call's hold has it.
    Inherited(Amount),
    /// The outer call has settled: directly.
    Debit(Held, CommitRequest),
}

impl Prepared {
    pub(crate) async fn settle(self, wait: Wait) -> Settlement {
        match self {
            Self::Commit(held, request) => settlement::commit(held, request, wait).await,
            Self::Inherited(charged) => Settlement::Inherited(charged),
            Self::Debit(held, request) => settlement::debit(held, request, wait).await,
        }
    }
}

impl ReservationGuard {
    /// Charges what the work really cost and gives the rest back.
    ///
    /// An expired lease is booked as a direct debit with the same key
    /// ([`CommitStatus::RecoveredViaEvent`]).
    ///
    /// # Errors
    /// [`Error::CommitPending`] when no clear answer came: the commit is then
    /// repeated in the background with the same key. [`Error::Api`] or
    /// [`Error::BudgetExceeded`] (under `REJECT`) when the authority refuses,
    /// [`Error::CommitRecoveryFailed`] when it refuses the event too.
    /// [`Error::Validation`] for an actual that makes no sense (negative, another
    /// unit): the spend is booked as estimated then.
    /// [`Error::LeaseLost`] when the spend is booked, but the lease was lost
    /// before and the [`HeartbeatPolicy`] is not `Warn`.
    pub async fn commit(self, request: CommitRequest) -> Result<CommitResponse, Error> {
        let (request, problem) = actual::bookable(request, self.estimate());
        if let Some(problem) = problem {
            self.settle(request).await;
            return Err(problem.advise("; the estimate is committed instead").into());
        }
        let id = self.held.id.clone();
        let actual = request.actual;
        let held = self.held.clone();
        let client = &held.client;
        let is_kept = client.config().retry_enabled || client.journal().is_some();
        let settlement = self.prepare(request).settle(Wait::FirstAttempt).await;
        if let Some(loss) = held.loss_to_report(&settlement) {
            return Err(Error::LeaseLost(loss));
        }
        match settlement {
            Settlement::Committed(response) => Ok(response),
            Settlement::RecoveredViaEvent(event) => Ok(CommitResponse {
                status: CommitStatus::RecoveredViaEvent,
                charged: event.charged.unwrap_or(actual),
                released: None,
                balances: event.balances,
                cycles_evidence: None,
                recovered_via_event: Some(event.event_id),
            }),
            Settlement::Pending(error) if is_kept => Err(Error::CommitPending {
                reservation_id: id.to_string(),
                last_error: Box::new(error.into()),
            }),
            Settlement::Refused(error) | Settlement::Pending(error) => match error.first() {
                Some(commit) => Err(Error::CommitRecoveryFailed {
                    reservation_id: id.to_string(),
                    commit_error: Box::new(commit.clone().into()),
                    event_error: Box::new(error.into()),
                }),
                None => Err(error.into()),
            },
            Settlement::Inherited(charged) => Ok(CommitResponse {
                status: CommitStatus::Committed,
                charged,
                released: None,
                balances: None,
                cycles_evidence: None,
                recovered_via_event: None,
            }),
            Settlement::Queued | Settlement::Released(_) => {
                Err(Error::Internal("a commit was answered as something else".to_owned()))
            }
        }
    }

    /// As [`commit`](Self::commit), for callers that must not fail: every
    /// outcome is a value. Where `settlement` is `background`, it waits for the
    /// journal only and answers [`Settlement::Queued`].
    pub async fn settle(self, request: CommitRequest) -> Settlement {
        self.prepare(request).settle(Wait::AsConfigured).await
    }

    /// Ends the guard with what is to be booked, inner calls included.
    pub(crate) fn prepare(mut self, mut request: CommitRequest) -> Prepared {
        self.disarm();
        let actual = &mut request.actual;
        actual.amount = actual.amount.saturating_add(self.pool.close());
        let (charged, held) = (*actual, self.held.clone());
        match self.draw.take().map(|draw| draw.charge(charged.amount)) {
            None => Prepared::Commit(held, request),
            Some(true) => Prepared::Inherited(charged),
            Some(false) => Prepared::Debit(held, request),
        }
    }

    /// Gives everything back.
    ///
    /// # Errors
    /// [`Error::Api`] when the authority refuses; [`Error::Transport`] when no
    /// answer came (the hold then ends with its lease).
    pub async fn release(self, reason: impl Into<String>) -> Result<ReleaseResponse, Error> {
        let held = self.estimate();
        match self.end(Some(reason.into()), Wait::FirstAttempt).await {
            Settlement::Released(response) => Ok(response),
            Settlement::Refused(error) | Settlement::Pending(error) => Err(error.into()),
            // Inner calls had spent some of it.
            Settlement::Committed(CommitResponse { released, balances, .. }) => {
                Ok(released_only(released.unwrap_or(Amount::new(held.unit, 0)), balances))
            }
            Settlement::Queued | Settlement::Inherited(_) | Settlement::RecoveredViaEvent(_) => {
                Ok(released_only(Amount::new(held.unit, 0), None))
            }
        }
    }

    /// As [`release`](Self::release), for callers that must not fail. What inner
    /// calls that inherited the hold have cost is committed all the same. Where
    /// `settlement` is `background`, it does not wait for the answer.
    pub async fn give_back(self, reason: Option<String>) -> Settlement {
        self.end(reason, Wait::AsConfigured).await
    }

    async fn end(mut self, reason: Option<String>, wait: Wait) -> Settlement {
        let (unit, spent) = (self.estimate().unit, self.pool.close());
        if spent > 0 {
            let actual = Amount::new(unit, spent);
            let request = CommitRequest::builder().actual(actual).build();
            return self.prepare(request).settle(wait).await;
        }
        self.disarm();
        match self.draw.take() {
            None => settlement::give_back(self.held.clone(), reason, wait).await,
            Some(_) => Settlement::Released(released_only(self.estimate(), None)),
        }
    }

    /// Gives up: the lease has ended, and what the work itself used is not known.
    /// What calls inside it have cost is booked.
    pub(crate) async fn abandon(mut self) {
        let (unit, spent) = (self.estimate().unit, self.pool.close());
        if spent > 0 {
            let actual = Amount::new(unit, spent);
            self.settle(CommitRequest::builder().actual(actual).build()).await;
        } else {
            self.disarm();
        }
    }

    /// From here on, dropping the guard does nothing.
    fn disarm(&mut self) {
        self.settled = true;
        if let Some(heartbeat) = self.heartbeat.take() {
            metrics::lease_ended();
            heartbeat.stop();
        }
    }
}

impl Drop for ReservationGuard {
    fn drop(&mut self) {
        if self.settled || self.is_forked_copy() {
            return;
        }
        self.disarm();
        let Some(runtime) = self.runtime.take() else {
            if self.held.unseen && self.draw.is_none() {
                self.held.abandon();
            }
            return;
        };
        let in_flight = self.held.client.pending().begin();
        let dropped = Self {
            held: self.held.clone(),
            pool: Arc::clone(&self.pool),
            parent: None,
            draw: self.draw.take(),
            heartbeat: None,
            runtime: None,
            owner: self.owner,
            settled: true,
        };
        runtime.spawn(async move {
            dropped.end(Some("guard was dropped".to_owned()), Wait::FirstAttempt).await;
            drop(in_flight);
        });
    }
}

fn released_only(released: Amount, balances: Option<Vec<Balance>>) -> ReleaseResponse {
    ReleaseResponse { status: ReleaseStatus::Released, released, balances, cycles_evidence: None }
}
