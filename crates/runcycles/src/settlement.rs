//! Whether, when and with which key a commit, an event or a release leaves the
//! process. Decided here and nowhere else.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use backon::BackoffBuilder;
use cycles_protocol::{
    Amount, CommitRequest, CommitResponse, Error, EventCreateResponse, ReleaseResponse, Retry,
};
use futures_util::future::join_all;
use tokio::sync::oneshot;

use crate::client::CyclesClient;
use crate::config::CyclesConfig;
use crate::guard::Held;
use crate::spend::{MAX_RETRY_AFTER, Spend, Tried};

/// How a settlement stands.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Settlement {
    /// Charged.
    Committed(CommitResponse),
    /// Charged to the hold of the outer call, which commits it.
    Inherited(Amount),
    /// Given back.
    Released(ReleaseResponse),
    /// The lease had run out; booked as a direct debit with the same key.
    RecoveredViaEvent(EventCreateResponse),
    /// No clear answer yet, or refused until somebody changes a key or a budget
    /// while the journal keeps it; repeated in the background with the same key.
    Pending(Error),
    /// The authority refused for good.
    Refused(Error),
}

/// Commits: the first attempt is waited for (it is bounded by the attempt
/// timeout), further ones run in the background with the same key.
pub(crate) async fn commit(held: Held, request: CommitRequest) -> Settlement {
    let client = held.client.clone();
    let (answer, settled) = oneshot::channel();
    detached(&client, async move { run(Spend::new(held, request).await, answer).await }).await;
    settled.await.unwrap_or_else(|_| stopped())
}

/// Books a spend whose reservation has settled without it, as a direct debit.
pub(crate) async fn debit(held: Held, request: CommitRequest) -> Settlement {
    let client = held.client.clone();
    let (answer, settled) = oneshot::channel();
    detached(&client, async move { run(Spend::late(held, request).await, answer).await }).await;
    settled.await.unwrap_or_else(|_| stopped())
}

/// As [`commit`], for one spend on many reservations.
pub(crate) async fn commit_parts(parts: Vec<(Held, CommitRequest)>) -> Vec<Settlement> {
    let Some(client) = parts.first().map(|(held, _)| held.client.clone()) else {
        return Vec::new();
    };
    let (answers, settled): (Vec<_>, Vec<_>) = parts.iter().map(|_| oneshot::channel()).unzip();
    let work = async move {
        let spends = Spend::parts(parts).await;
        join_all(spends.into_iter().zip(answers).map(|(spend, answer)| run(spend, answer))).await;
    };
    detached(&client, work).await;
    let settled = join_all(settled).await;
    settled.into_iter().map(|settlement| settlement.unwrap_or_else(|_| stopped())).collect()
}

/// A caller that goes away (a cancelled task) must not stop a commit whose
/// actual is known: it runs on its own and is only waited for.
async fn detached(client: &CyclesClient, work: impl Future<Output = ()> + Send + 'static) {
    let in_flight = client.pending().begin();
    let mut work = Box::pin(async move {
        work.await;
        drop(in_flight);
    });
    // In process the first poll is the last, and a task would cost more than the call.
    let finished = poll_fn(|context| Poll::Ready(work.as_mut().poll(context).is_ready())).await;
    if !finished {
        tokio::spawn(work);
    }
}

fn stopped() -> Settlement {
    Settlement::Pending(Error::internal("settlement was stopped by the runtime's shutdown"))
}

async fn run(mut spend: Spend, answer: oneshot::Sender<Settlement>) {
    let error = match spend.attempt().await {
        Tried::Settled(settlement) => {
            spend.resolve();
            let _ = answer.send(settlement);
            return;
        }
        Tried::Retained(error) => {
            let _ = answer.send(spend.retain(error).await);
            return;
        }
        Tried::Unclear(error) => error,
    };
    // Read before the caller goes on: a caller that moves the clock must not
    // move the first repeat with it.
    let answered = spend.client().clock().monotonic();
    spend.park(&error).await;
    let retries = spend.client().config().retry_enabled;
    spend.warn(
        &error,
        if retries { "settlement is unclear, repeating" } else { "settlement is unclear" },
    );
    let _ = answer.send(Settlement::Pending(error.clone()));
    if retries {
        repeat(spend, error, answered).await;
    }
}

/// Repeats until the answer is clear. Delays grow with jitter and then stay:
/// spend that happened is never given up. What is on disk is left to the
/// journal's replay once the delays have grown, which bounds how many are
/// tried at once.
async fn repeat(mut spend: Spend, mut error: Error, mut answered: Duration) {
    let config = spend.client().config().clone();
    let clock = Arc::clone(spend.client().clock());
    let mut delays = Delays::new(&config);
    for attempt in 0_u32.. {
        let wait = match error.retry() {
            Retry::After(asked) => asked.min(MAX_RETRY_AFTER).max(delays.next()),
            _ => delays.next(),
        };
        let grown = attempt >= config.retry_max_attempts || wait > config.retry_max_delay;
        if grown && spend.is_on_disk() {
            return;
        }
        clock.sleep_until(answered + wait).await;
        let outcome = spend.attempt().await;
        answered = clock.monotonic();
        match outcome {
            Tried::Settled(settlement) => {
                if let Settlement::Refused(refusal) = &settlement {
                    spend.warn(refusal, "settlement was refused; the spend is not booked");
                }
                spend.resolve();
                return;
            }
            Tried::Retained(refusal) => {
                if let Settlement::Refused(refusal) = spend.retain(refusal).await {
                    tracing::error!(%refusal, "settlement was refused; the spend is not booked");
                }
                return;
            }
            Tried::Unclear(again) => {
                spend.park(&again).await;
                error = again;
            }
        }
    }
}

/// Releases: one attempt, repeated once when the answer was unclear. After that
/// the hold ends with its lease.
pub(crate) async fn release(held: &Held, reason: Option<String>) -> Settlement {
    let request = Held::release_request(reason);
    let mut outcome = release_once(held, request.clone()).await;
    if let Settlement::Pending(_) = outcome {
        outcome = release_once(held, request).await;
    }
    if let Settlement::Pending(error) | Settlement::Refused(error) = &outcome {
        held.warn(error, "release failed; the hold ends with its lease");
    }
    outcome
}

async fn release_once(held: &Held, request: cycles_protocol::ReleaseRequest) -> Settlement {
    let call = held.client.call(&held.trace_id);
    match held.client.authority().release(&call, &held.id, request).await {
        Ok(answer) => Settlement::Released(answer.value),
        Err(error) => match error.retry() {
            Retry::Never => Settlement::Refused(error),
            _ => Settlement::Pending(error),
        },
    }
}

/// Delays that grow to the longest and stay there, jittered, and clamped after
/// the jitter (anchors.md pitfall 26).
struct Delays {
    growing: backon::ExponentialBackoff,
    longest: Duration,
}

impl Delays {
    fn new(config: &CyclesConfig) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a growth factor needs no precision")]
        let factor = config.retry_multiplier.max(1.0) as f32;
        let growing = backon::ExponentialBuilder::default()
            .with_min_delay(config.retry_initial_delay)
            .with_max_delay(config.retry_max_delay)
            .with_factor(factor)
            .with_max_times(usize::try_from(config.retry_max_attempts).unwrap_or(usize::MAX))
            .build();
        Self { growing, longest: config.retry_max_delay }
    }

    fn next(&mut self) -> Duration {
        let delay = self.growing.next().unwrap_or(self.longest);
        // Full range between half the delay and the whole: waves of clients spread.
        delay.mul_f64(0.5 + fastrand::f64() / 2.0).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_are_jittered_and_never_exceed_the_longest() {
        let config = CyclesConfig::new("http://h", "k");
        let mut delays = Delays::new(&config);
        let seen: Vec<_> = (0..20).map(|_| delays.next()).collect();
        for (index, nominal) in [500, 1_000, 2_000, 4_000, 8_000].into_iter().enumerate() {
            let nominal = Duration::from_millis(nominal);
            assert!(
                seen[index] >= nominal / 2 && seen[index] <= nominal,
                "{index}: {:?}",
                seen[index]
            );
        }
        assert!(
            seen[5..]
                .iter()
                .all(|delay| *delay >= config.retry_max_delay / 2
                    && *delay <= config.retry_max_delay)
        );
    }
}
