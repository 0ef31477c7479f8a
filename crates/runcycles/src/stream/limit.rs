//! Where a stream reaches the end of its hold: it is cut, goes on, or takes a
//! further hold.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use cycles_protocol::{Error as Refusal, IdempotencyKey};
use serde::{Deserialize, Serialize};

use tokio::sync::futures::OwnedNotified;

use super::{Stream, StreamReservation};
use crate::error::Error;
use crate::guard::Begun;
use crate::lease::{Lease, LeaseLost};

/// Further holds of one stream; beyond them it is cut.
const MAX_HOLDS: usize = 64;

/// What happens when a stream has used up its hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OnLimit {
    /// No more output flows.
    Cut,
    /// A further reservation is taken before more output flows; where it is
    /// refused, the stream is cut.
    Extend,
    /// The stream goes on to its end; the overage policy decides about the rest.
    #[default]
    Finish,
}

/// Whether more output may flow.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Flow {
    /// It may.
    Continue,
    /// The hold is used up: end the stream and [`finish`](StreamReservation::finish).
    Cut,
    /// It may not, for this reason: the hold is used up and a further one was
    /// refused, or the lease is lost and the policy is to cancel
    /// ([`Error::LeaseLost`]).
    Refused(Arc<Error>),
}

/// [`Flow`], before its reason becomes an error of this crate's or of a package's.
#[derive(Debug)]
pub(crate) enum Next {
    Continue,
    Cut,
    Refused(Refusal),
    Lost(LeaseLost),
}

impl From<Next> for Flow {
    fn from(next: Next) -> Self {
        match next {
            Next::Continue => Self::Continue,
            Next::Cut => Self::Cut,
            Next::Refused(error) => Self::Refused(Arc::new(error.into())),
            Next::Lost(loss) => Self::Refused(Arc::new(Error::LeaseLost(loss))),
        }
    }
}

impl StreamReservation {
    /// Whether more output may flow. Ask before each piece; under
    /// [`OnLimit::Extend`] this takes the further reservation.
    pub async fn proceed(&self) -> Flow {
        self.next().await.into()
    }

    pub(crate) async fn next(&self) -> Next {
        if let Some(loss) = self.loss_that_cancels() {
            return self.cut(Next::Lost(loss));
        }
        if self.is_cut() || self.is_settled() {
            return Next::Cut;
        }
        if !self.is_used_up() {
            return Next::Continue;
        }
        match self.stream.on_limit {
            OnLimit::Finish => Next::Continue,
            OnLimit::Cut => self.cut(Next::Cut),
            OnLimit::Extend => match self.extend_hold().await {
                Ok(true) => Next::Continue,
                Ok(false) => self.cut(Next::Cut),
                Err(error) => self.cut(Next::Refused(error)),
            },
        }
    }

    fn cut(&self, why: Next) -> Next {
        if !self.stream.is_cut.swap(true, Ordering::AcqRel) {
            let (used, held) = (self.used(), self.held());
            tracing::warn!(reservation_id = %self.context().reservation_id, ?used, ?held, ?why, "stream is cut");
        }
        why
    }

    /// Completes when a lease is lost and the policy is to cancel; the stream is
    /// cut then. Never completes otherwise, and keeps no stream alive.
    pub fn lost(&self) -> impl Future<Output = LeaseLost> + Send + use<> {
        lost(Arc::downgrade(&self.stream))
    }

    fn loss_that_cancels(&self) -> Option<LeaseLost> {
        let holds = self.stream.holds.lock();
        holds.iter().flatten().find_map(|hold| hold.lease().loss()).filter(|_| self.cancels())
    }

    fn cancels(&self) -> bool {
        self.stream.as_parent.held.cancels()
    }

    /// The leases that end the stream, as long as there are no more of them.
    fn leases_that_cancel(&self) -> (OwnedNotified, Vec<Lease>) {
        // First, so that no further hold is missed.
        let extended = Arc::clone(&self.stream.extended).notified_owned();
        let holds = self.stream.holds.lock();
        let holds = holds.iter().flatten().filter(|_| self.cancels());
        (extended, holds.map(|hold| hold.lease().clone()).collect())
    }

    fn is_used_up(&self) -> bool {
        self.used().is_some_and(|used| used.amount >= self.held().amount)
    }

    /// Takes further holds until there is something left.
    async fn extend_hold(&self) -> Result<bool, Refusal> {
        let _one_at_a_time = self.stream.extending.lock().await;
        let stream = &self.stream;
        while self.is_used_up() {
            let taken = stream.holds.lock().as_ref().map_or(MAX_HOLDS, Vec::len);
            if taken >= MAX_HOLDS {
                return Ok(false);
            }
            let mut request = stream.further.clone();
            request.idempotency_key = IdempotencyKey::random();
            let (client, by) = (&stream.tally.client, request.estimate.amount);
            let begun = client.begin_reported(Arc::new(request), stream.nesting.clone()).await?;
            let Begun::Live(guard) = begun else {
                return Err(Refusal::internal("a live reserve was answered as a dry run"));
            };
            match &mut *stream.holds.lock() {
                Some(holds) => {
                    stream.tally.pool.grow(by);
                    holds.push(guard);
                    stream.extended.notify_waiters();
                }
                // Settled meanwhile: the guard gives its hold back.
                None => return Ok(false),
            }
        }
        Ok(true)
    }
}

async fn lost(stream: Weak<Stream>) -> LeaseLost {
    let live = || stream.upgrade().map(|stream| StreamReservation { stream });
    loop {
        let (extended, leases) = match live().map(|stream| stream.leases_that_cancel()) {
            Some((extended, leases)) if !leases.is_empty() => (extended, leases),
            _ => return std::future::pending().await,
        };
        let losses = leases.iter().map(|lease| Box::pin(lease.lost()));
        tokio::select! {
            (loss, ..) = futures_util::future::select_all(losses) => {
                if let Some(stream) = live() {
                    stream.cut(Next::Lost(loss.clone()));
                }
                return loss;
            }
            () = extended => {}
        }
    }
}
