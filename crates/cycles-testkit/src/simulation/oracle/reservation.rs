//! One reservation, whole.

use cycles_protocol::{
    Amount, CommitOveragePolicy, CommitRequest, CommitResponse, ReleaseRequest, ReleaseResponse,
    ReservationCreateRequest, ReservationCreateResponse, ReservationDetail, ReservationId,
    ReservationStatus,
};

/// A reservation with everything that was ever asked and answered about it.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: ReservationId,
    pub(super) tenant: usize,
    /// As asked, with the defaults that the payload hash fills in.
    pub(super) request: ReservationCreateRequest,
    pub(super) answer: ReservationCreateResponse,
    pub(super) scopes: Vec<String>,
    /// The budgets that there were when it was made.
    pub(super) holds_on: Vec<usize>,
    pub(super) overage_policy: CommitOveragePolicy,
    pub(super) created_at: i64,
    pub(super) expires_at: i64,
    pub(super) extensions: i64,
    pub(super) end: Option<End>,
}

/// How it ended.
#[derive(Debug)]
pub(super) enum End {
    Committed { at: i64, request: CommitRequest, answer: CommitResponse },
    Released { at: i64, request: ReleaseRequest, answer: ReleaseResponse },
    Expired { noticed_at: i64 },
}

impl Record {
    pub(super) fn grace_ms(&self) -> i64 {
        self.request.grace_period_ms.unwrap_or(5_000)
    }

    /// spec: expired is beyond `expires_at_ms + grace_period_ms`
    pub(super) fn is_over(&self, now: i64) -> bool {
        self.end.is_none() && now > self.expires_at + self.grace_ms()
    }

    pub(super) fn expire(&mut self, now: i64) {
        self.end = Some(End::Expired { noticed_at: now });
    }

    pub(super) fn ended_at(&self) -> Option<i64> {
        match &self.end {
            None => None,
            Some(End::Committed { at, .. } | End::Released { at, .. }) => Some(*at),
            Some(End::Expired { noticed_at }) => Some(*noticed_at),
        }
    }

    /// spec: only on committed and released rows
    pub(super) fn finalized_at(&self) -> Option<i64> {
        match &self.end {
            Some(End::Expired { .. }) => None,
            _ => self.ended_at(),
        }
    }

    pub(super) const fn status(&self) -> ReservationStatus {
        match self.end {
            None => ReservationStatus::Active,
            Some(End::Committed { .. }) => ReservationStatus::Committed,
            Some(End::Released { .. }) => ReservationStatus::Released,
            Some(End::Expired { .. }) => ReservationStatus::Expired,
        }
    }

    /// spec: `remaining_ttl_ms`, recomputed for an expiry that was answered once
    pub(super) fn remaining_ttl_ms(&self, expires_at: i64, now: i64) -> i64 {
        if self.end.is_none() { (expires_at - now).max(0) } else { 0 }
    }

    /// The reservation as it is shown, heavy fields included.
    pub(super) fn detail(&self) -> ReservationDetail {
        let mut detail = ReservationDetail::new(
            self.id.clone(),
            self.status(),
            (self.request.subject.clone(), self.request.action.clone()),
            self.request.estimate,
            (self.created_at, self.expires_at),
            self.scopes.clone(),
        );
        detail.idempotency_key = Some(self.request.idempotency_key.clone());
        detail.finalized_at_ms = self.finalized_at();
        detail.metadata.clone_from(&self.request.metadata);
        if let Some(End::Committed { request, answer, .. }) = &self.end {
            detail.committed = Some(Amount::new(self.request.estimate.unit, answer.charged.amount));
            detail.committed_metadata.clone_from(&request.metadata);
        }
        detail
    }
}
