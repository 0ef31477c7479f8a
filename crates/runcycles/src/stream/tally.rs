//! Books what a stream has used on the reservations that it holds.

use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::{
    Amount, CommitRequest, CommitResponse, EventCreateResponse, JsonMap, ReleaseResponse, Unit,
};
use futures_util::future::join_all;
use parking_lot::Mutex;

use super::usage::{Meter, StreamUsage};
use crate::client::CyclesClient;
use crate::guard::{Prepared, ReservationGuard};
use crate::nested::Pool;
use crate::settlement::{self, Settlement, Wait};

/// Everything that the settlement of a stream needs but its holds.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) client: CyclesClient,
    /// The stream's first estimate; what it costs where nothing says.
    pub(super) estimate: Amount,
    pub(super) meter: Meter,
    pub(super) usage: Mutex<StreamUsage>,
    /// What is held, and what inner calls that inherit it have cost.
    pub(super) pool: Arc<Pool>,
    pub(super) began: Duration,
    pub(super) metadata: Mutex<Option<JsonMap>>,
}

impl Tally {
    pub(super) fn unit(&self) -> Unit {
        self.estimate.unit
    }

    pub(super) fn cost(&self) -> Option<i64> {
        self.meter.cost(&self.usage.lock(), self.unit())
    }

    /// Commits what was used; the estimate where nothing says what that is.
    pub(super) async fn commit(&self, holds: Vec<ReservationGuard>) -> Settlement {
        let (cost, is_known) =
            self.cost().map_or((self.estimate.amount, false), |cost| (cost, true));
        let total = cost.saturating_add(self.pool.close());
        let mut metadata = self.metadata.lock().clone().unwrap_or_default();
        if !is_known {
            metadata.insert("actual_source".to_owned(), "estimate".into());
        }
        let held: Vec<_> = holds.iter().map(|hold| hold.estimate().amount).collect();
        if holds.len() > 1 {
            metadata.insert("stream".to_owned(), holds[0].reservation_id().as_str().into());
        }
        let mut shares = Vec::with_capacity(holds.len());
        let mut unused = Vec::new();
        for (index, (hold, amount)) in holds.into_iter().zip(split(total, &held)).enumerate() {
            if index > 0 && amount == 0 {
                unused.push(hold);
                continue;
            }
            shares.push(hold.prepare(self.share(index, amount, &metadata)));
        }
        let given_back = join_all(
            unused.into_iter().map(|hold| hold.give_back(Some("stream ended before".to_owned()))),
        );
        let (mut parts, given_back) = tokio::join!(settle(shares), given_back);
        parts.extend(given_back);
        combine(self.unit(), parts)
    }

    /// Commits what was used where there is a sign of output, and gives
    /// everything back where there is none.
    pub(super) async fn end_early(&self, holds: Vec<ReservationGuard>, reason: &str) -> Settlement {
        let is_unused = self.usage.lock().is_empty() && self.cost().unwrap_or(0) == 0;
        if !is_unused {
            return self.commit(holds).await;
        }
        let given_back = holds.into_iter().map(|hold| hold.give_back(Some(reason.to_owned())));
        combine(self.unit(), join_all(given_back).await)
    }

    /// The commit of one hold. Measurements go with the first: they are those of
    /// the whole stream.
    fn share(&self, index: usize, amount: i64, metadata: &JsonMap) -> CommitRequest {
        let latency = self.client.clock().monotonic().saturating_sub(self.began);
        let latency_ms = i64::try_from(latency.as_millis()).unwrap_or(i64::MAX);
        let metrics = (index == 0).then(|| self.usage.lock().metrics(latency_ms));
        let metadata = (!metadata.is_empty()).then(|| metadata.clone());
        CommitRequest::builder()
            .actual(Amount::new(self.unit(), amount))
            .maybe_metrics(metrics)
            .maybe_metadata(metadata)
            .build()
    }
}

/// Fills the holds in the order they were taken; the last takes what is above.
fn split(total: i64, held: &[i64]) -> Vec<i64> {
    let mut left = total;
    let last = held.len().saturating_sub(1);
    let share = |(index, held): (usize, &i64)| {
        let share = if index == last { left } else { left.min(*held) };
        left -= share;
        share
    };
    held.iter().enumerate().map(share).collect()
}

async fn settle(shares: Vec<Prepared>) -> Vec<Settlement> {
    let (mut commits, mut done) = (Vec::new(), Vec::new());
    for share in shares {
        match share {
            Prepared::Commit(held, request) => commits.push((held, request)),
            other => done.push(other.settle(Wait::AsConfigured).await),
        }
    }
    let mut parts = settlement::commit_parts(commits, Wait::AsConfigured).await;
    parts.append(&mut done);
    parts
}

/// One outcome for all holds: the worst of them, with what was charged and given
/// back in all.
fn combine(unit: Unit, parts: Vec<Settlement>) -> Settlement {
    let (mut charged, mut released) = (0_i64, 0_i64);
    let mut worst: Option<Settlement> = None;
    for part in parts {
        let (more_charged, more_released) = booked(&part);
        charged = charged.saturating_add(more_charged);
        released = released.saturating_add(more_released);
        if worst.as_ref().is_none_or(|worst| severity(worst) <= severity(&part)) {
            worst = Some(part);
        }
    }
    let amount = |amount| Amount::new(unit, amount);
    match worst {
        Some(Settlement::Committed(last)) => Settlement::Committed(CommitResponse {
            charged: amount(charged),
            released: Some(amount(released)),
            ..last
        }),
        Some(Settlement::RecoveredViaEvent(last)) => {
            Settlement::RecoveredViaEvent(EventCreateResponse {
                charged: Some(amount(charged)),
                ..last
            })
        }
        Some(Settlement::Released(last)) => {
            Settlement::Released(ReleaseResponse { released: amount(released), ..last })
        }
        Some(Settlement::Inherited(_)) => Settlement::Inherited(amount(charged)),
        Some(unclear) => unclear,
        None => Settlement::Inherited(amount(0)),
    }
}

fn booked(part: &Settlement) -> (i64, i64) {
    match part {
        Settlement::Committed(response) => {
            (response.charged.amount, response.released.map_or(0, |released| released.amount))
        }
        Settlement::RecoveredViaEvent(response) => {
            (response.charged.map_or(0, |charged| charged.amount), 0)
        }
        Settlement::Inherited(charged) => (charged.amount, 0),
        Settlement::Released(response) => (0, response.released.amount),
        Settlement::Queued | Settlement::Pending(_) | Settlement::Refused(_) => (0, 0),
    }
}

fn severity(settlement: &Settlement) -> u8 {
    match settlement {
        Settlement::Released(_) => 0,
        Settlement::Inherited(_) => 1,
        Settlement::Committed(_) => 2,
        Settlement::RecoveredViaEvent(_) => 3,
        Settlement::Queued => 4,
        Settlement::Pending(_) => 5,
        Settlement::Refused(_) => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cycles_protocol::Error;
    use proptest::prelude::*;

    #[test]
    fn holds_are_filled_in_order() {
        for (total, held, shares) in [
            (0, vec![100], vec![0]),
            (130, vec![100], vec![130]),
            (130, vec![100, 50, 50], vec![100, 30, 0]),
            (260, vec![100, 50, 50], vec![100, 50, 110]),
        ] {
            assert_eq!(split(total, &held), shares);
        }
    }

    proptest! {
        #[test]
        fn shares_add_up(total in 0_i64.., held in proptest::collection::vec(1_i64..1 << 40, 1..20)) {
            let shares = split(total, &held);
            prop_assert_eq!(shares.iter().sum::<i64>(), total);
            prop_assert!(shares.iter().all(|share| *share >= 0));
        }
    }

    #[test]
    fn the_worst_part_is_the_outcome() {
        let unclear = || Settlement::Pending(Error::unreachable("gone"));
        let charged = || Settlement::Inherited(Amount::tokens(5));
        assert!(matches!(
            combine(Unit::Tokens, vec![unclear(), charged()]),
            Settlement::Pending(_)
        ));
        let Settlement::Inherited(both) = combine(Unit::Tokens, vec![charged(), charged()]) else {
            panic!("nothing was worse")
        };
        assert_eq!(both, Amount::tokens(10));
    }
}
