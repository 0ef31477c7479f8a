//! Whether, when and with which key a commit, an event or a release leaves the
//! process. Decided here and nowhere else.

mod alongside;
mod delays;

use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::{
    Amount, CommitRequest, CommitResponse, Error, EventCreateResponse, Operation, ReleaseResponse,
    Retry,
};
use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::client::CyclesClient;
use crate::guard::Held;
use crate::metrics;
use crate::observed;
use crate::pending::Place;
use crate::settings::SettlementMode;
use crate::spend::{MAX_RETRY_AFTER, Spend};
use crate::verdict::Tried;
use alongside::alongside;
use delays::Delays;

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
    /// The lease had run out, or the work was allowed unseen; booked as a direct
    /// debit with the same key.
    RecoveredViaEvent(EventCreateResponse),
    /// Written down, or in memory where there is no journal, and on its way in
    /// the background; [`on_settlement`](crate::CyclesClientBuilder::on_settlement)
    /// tells the outcome.
    Queued,
    /// No clear answer yet, or refused until somebody changes a key or a budget
    /// while the journal keeps it; repeated in the background with the same key.
    Pending(Error),
    /// The authority refused for good.
    Refused(Error),
}

impl Settlement {
    /// `committed`, `released`, `recovered_via_event`, `pending` or `refused`.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Committed(_) => "committed",
            Self::Released(_) => "released",
            Self::RecoveredViaEvent(_) => "recovered_via_event",
            Self::Inherited(_) => "inherited",
            Self::Queued => "queued",
            Self::Pending(_) => "pending",
            Self::Refused(_) => "refused",
        }
    }
}

/// What a settlement's caller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The first attempt, which its own time and `call_timeout` limit.
    FirstAttempt,
    /// What `settlement` says; the journal where no authority has seen the work,
    /// since nobody answered just now.
    AsConfigured,
}

impl Wait {
    fn ends_with_the_queue(self, held: &Held) -> bool {
        self == Self::AsConfigured
            && (held.unseen || held.client.settlement_mode() == SettlementMode::Background)
    }
}

/// Commits. Attempts after the first run in the background with the same key.
pub(crate) async fn commit(held: Held, request: CommitRequest, wait: Wait) -> Settlement {
    let refused = match at_once(&held, &request) {
        Some(Ok(response)) => return Settlement::Committed(response),
        Some(Err(error)) => Some(error),
        None => None,
    };
    Box::pin(commit_in_steps(held, request, wait, refused)).await
}

/// In process the first poll is the last: nobody waits, and nothing can outlive
/// the caller. An authority that has no answer yet is asked again with the same key.
fn at_once(held: &Held, request: &CommitRequest) -> Option<Result<CommitResponse, Error>> {
    let client = &held.client;
    if !client.is_in_process() || client.journal().is_some() || held.unseen {
        return None;
    }
    let call = client.call(&held.trace_id);
    let answer = observed::settle(&held.id, &held.trace_id)
        .in_scope(|| client.authority().commit(&call, &held.id, request).now_or_never())?;
    if answer.is_ok() {
        metrics::settled("committed");
    }
    Some(answer.map(|answer| answer.value))
}

/// As [`commit`]; `refused` is what the first try came to, where it was made.
async fn commit_in_steps(
    held: Held,
    request: CommitRequest,
    wait: Wait,
    refused: Option<Error>,
) -> Settlement {
    let (client, queued) = (held.client.clone(), wait.ends_with_the_queue(&held));
    let (caller, settled) = Caller::new();
    let work = async move {
        let spend = Spend::new(held, request).await.tried(refused);
        proceed(spend, caller, queued).await;
    };
    alongside(&client, work, told(&client, Operation::Commit, settled)).await
}

/// Books a spend whose reservation has settled without it, as a direct debit.
pub(crate) async fn debit(held: Held, request: CommitRequest, wait: Wait) -> Settlement {
    let (client, queued) = (held.client.clone(), wait.ends_with_the_queue(&held));
    let (caller, settled) = Caller::new();
    let work = async move { proceed(Spend::late(held, request).await, caller, queued).await };
    alongside(&client, work, told(&client, Operation::Commit, settled)).await
}

/// As [`commit`], for one spend on many reservations.
pub(crate) async fn commit_parts(parts: Vec<(Held, CommitRequest)>, wait: Wait) -> Vec<Settlement> {
    let Some(client) = parts.first().map(|(held, _)| held.client.clone()) else {
        return Vec::new();
    };
    let queued: Vec<_> = parts.iter().map(|(held, _)| wait.ends_with_the_queue(held)).collect();
    let (callers, settled): (Vec<_>, Vec<_>) = parts.iter().map(|_| Caller::new()).unzip();
    let work = async move {
        let spends = Spend::parts(parts).await;
        let parts = spends.into_iter().zip(callers).zip(queued);
        join_all(parts.map(|((spend, caller), queued)| proceed(spend, caller, queued))).await;
    };
    let told = settled.into_iter().map(|settled| told(&client, Operation::Commit, settled));
    alongside(&client, work, join_all(told)).await
}

async fn told(
    client: &CyclesClient,
    operation: Operation,
    settled: oneshot::Receiver<Settlement>,
) -> Settlement {
    let settled = async { settled.await.map_err(|_| stopped()) };
    client.bounded(operation, settled).await.unwrap_or_else(Settlement::Pending)
}

fn stopped() -> Error {
    Error::internal("settlement was stopped by the runtime's shutdown")
}

/// Who is told how a settlement stands: the caller while there is one, else
/// whoever listens to `on_settlement`.
struct Caller(Option<oneshot::Sender<Settlement>>);

impl Caller {
    fn new() -> (Self, oneshot::Receiver<Settlement>) {
        let (waiting, settled) = oneshot::channel();
        (Self(Some(waiting)), settled)
    }

    /// The caller goes on; what comes is reported.
    fn let_go(&mut self, meanwhile: Settlement) {
        if let Some(waiting) = self.0.take() {
            let _ = waiting.send(meanwhile);
        }
    }

    /// It was booked or refused for good.
    fn settled(&mut self, spend: Spend, settlement: Settlement) {
        spend.note(&settlement, self.0.as_ref().is_some_and(|waiting| !waiting.is_closed()));
        let told = self.told(settlement);
        if let Err(settlement) = told {
            spend.client().on_settlement().tell(spend.id(), settlement);
        }
        spend.resolve();
    }

    /// It is refused until somebody acts.
    async fn retained(&mut self, spend: Spend, error: Error) {
        let (client, id) = (spend.client().clone(), spend.id().clone());
        if let Err(settlement) = self.told(spend.retain(error).await) {
            client.on_settlement().tell(&id, settlement);
        }
    }

    /// Answers what nobody waits for any more.
    fn told(&mut self, settlement: Settlement) -> Result<(), Settlement> {
        match self.0.take() {
            Some(waiting) => waiting.send(settlement),
            None => Err(settlement),
        }
    }
}

/// Tries to book it; where the caller waits for the queue only, it goes on once
/// the spend is written down or has a place in memory.
async fn proceed(mut spend: Spend, mut caller: Caller, queued: bool) {
    let place = if queued { spend.client().pending().place() } else { None };
    match &place {
        Some(_) => caller.let_go(Settlement::Queued),
        // Too many at once: the disk remembers, and its replay goes on.
        None if queued && spend.is_on_disk() => {
            Box::pin(spend.keep()).await;
            return caller.let_go(Settlement::Queued);
        }
        // Whoever spends faster than is booked waits.
        None => {}
    }
    run(spend, caller, place).await;
}

/// One attempt. What is rare after it stands in boxes: the state of a settlement
/// is moved about.
async fn run(spend: Spend, caller: Caller, place: Option<Place>) {
    let span = spend.span();
    book(spend, caller, place).instrument(span).await;
}

async fn book(mut spend: Spend, mut caller: Caller, place: Option<Place>) {
    let turn = match &place {
        Some(_) => Some(spend.client().pending().turn().await),
        None => None,
    };
    let outcome = spend.attempt().await;
    drop(turn);
    let error = match outcome {
        Tried::Settled(settlement) => return caller.settled(spend, settlement),
        Tried::Retained(error) => return Box::pin(caller.retained(spend, error)).await,
        Tried::Unclear(error) => error,
    };
    Box::pin(unclear(spend, caller, place, error)).await;
}

/// The caller goes on; the rest is repeated.
async fn unclear(mut spend: Spend, mut caller: Caller, place: Option<Place>, error: Error) {
    // Read before the caller goes on: a caller that moves the clock must not
    // move the first repeat with it.
    let answered = spend.client().clock().monotonic();
    spend.park(&error).await;
    let retries = spend.client().config().retry_enabled;
    spend.tell_unsettled("pending", &error);
    spend.warn(
        &error,
        if retries { "settlement is unclear, repeating" } else { "settlement is unclear" },
    );
    caller.let_go(Settlement::Pending(error.clone()));
    let place = place.or_else(|| spend.client().pending().place());
    // Without a place in memory it is the journal's to repeat.
    if retries && (place.is_some() || !spend.is_on_disk()) {
        repeat(spend, caller, error, answered).await;
        drop(place);
    }
}

/// Repeats until the answer is clear. Delays grow with jitter and then stay:
/// spend that happened is never given up. What is on disk is left to the
/// journal's replay once the delays have grown, which bounds how many are
/// tried at once.
async fn repeat(mut spend: Spend, mut caller: Caller, mut error: Error, mut answered: Duration) {
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
        metrics::retried(spend.operation());
        let turn = spend.client().pending().turn().await;
        let outcome = spend.attempt().await;
        drop(turn);
        answered = clock.monotonic();
        match outcome {
            Tried::Settled(settlement) => return caller.settled(spend, settlement),
            Tried::Retained(refusal) => return caller.retained(spend, refusal).await,
            Tried::Unclear(again) => {
                spend.park(&again).await;
                error = again;
            }
        }
    }
}

/// Gives everything back.
pub(crate) async fn give_back(held: Held, reason: Option<String>, wait: Wait) -> Settlement {
    if held.unseen {
        return held.abandon();
    }
    let (client, queued) = (held.client.clone(), wait.ends_with_the_queue(&held));
    let (mut caller, settled) = Caller::new();
    let work = async move {
        let place = if queued { held.client.pending().place() } else { None };
        let turn = match &place {
            Some(_) => {
                caller.let_go(Settlement::Queued);
                Some(held.client.pending().turn().await)
            }
            None => None,
        };
        let outcome = release(&held, reason).await;
        drop(turn);
        // Not a spend: a failed release is logged, and the hold ends with its lease.
        caller.let_go(outcome);
    };
    alongside(&client, work, told(&client, Operation::Release, settled)).await
}

/// Releases: one attempt, repeated once when the answer was unclear. After that
/// the hold ends with its lease.
async fn release(held: &Held, reason: Option<String>) -> Settlement {
    let span = observed::settle(&held.id, &held.trace_id);
    release_within(held, reason).instrument(span).await
}

async fn release_within(held: &Held, reason: Option<String>) -> Settlement {
    let request = Held::release_request(reason);
    let mut outcome = release_once(held, request.clone()).await;
    if let Settlement::Pending(_) = outcome {
        metrics::retried(Operation::Release);
        outcome = release_once(held, request).await;
    }
    metrics::settled(outcome.name());
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
