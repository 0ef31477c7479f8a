//! A spend that is known and to be booked once: on its reservation, or as a
//! direct debit with the same key where the reservation has expired.

use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::{
    Amount, CommitRequest, Conforms, Error, ErrorCode, EventCreateRequest, Operation, RawRequest,
    ReservationId, conforms,
};
use serde_json::value::to_raw_value;

use crate::client::CyclesClient;
use crate::guard::Held;
use crate::idempotency::header_key;
use crate::journal::{Claim, Journal, Mode, Record, key_of};
use crate::metrics;
use crate::notifications::Notification;
use crate::observed;
use crate::settlement::Settlement;
use crate::verdict::{Tried, is_expired, judge};

/// Longest `Retry-After` that is kept to; longer ones are cut to it.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// The reason of an event that books work which was allowed unseen.
const ALLOWED_WHILE_UNREACHABLE: &str = "ALLOWED_WHILE_UNREACHABLE";

/// A spend and how it is remembered.
pub(crate) struct Spend {
    client: CyclesClient,
    id: ReservationId,
    trace_id: Arc<str>,
    form: Form,
    /// What the next try comes to, where it was made already.
    tried: Option<Error>,
}

enum Form {
    /// In memory only.
    Unwritten { held: Held, step: Step },
    /// As it stands in the journal; sent byte for byte.
    Written(Entry),
}

enum Step {
    Commit(CommitRequest),
    Event(Box<EventCreateRequest>),
}

struct Entry {
    journal: Arc<Journal>,
    record: Record,
    /// Whether it is on disk; the disk may be full or missing.
    on_disk: bool,
    _claim: Option<Claim>,
}

impl Spend {
    /// A spend of just now. Where there is a journal it is in it on return.
    pub(crate) async fn new(held: Held, request: CommitRequest) -> Self {
        let mut spend = Self::on_reservation(held, request);
        spend.write_down().await;
        spend
    }

    /// A spend whose reservation has settled without it: a direct debit from the
    /// start, in the journal under an id of its own.
    pub(crate) async fn late(held: Held, request: CommitRequest) -> Self {
        let id = ReservationId::new(format!("late-{}", request.idempotency_key.as_str()));
        let debit = Box::new(event(&held, &request, "RESERVATION_SETTLED"));
        let mut spend = Self { id, ..Self::on_reservation(held.clone(), request) };
        spend.form = Form::Unwritten { held, step: Step::Event(debit) };
        spend.write_down().await;
        spend
    }

    /// One spend on many reservations, each with its part of it: one write.
    pub(crate) async fn parts(parts: Vec<(Held, CommitRequest)>) -> Vec<Self> {
        let mut spends: Vec<_> =
            parts.into_iter().map(|(held, request)| Self::on_reservation(held, request)).collect();
        write_down(spends.iter_mut().collect()).await;
        spends
    }

    /// On its reservation; as a direct debit where no authority has seen it.
    fn on_reservation(held: Held, request: CommitRequest) -> Self {
        let step = if held.unseen {
            Step::Event(Box::new(event(&held, &request, ALLOWED_WHILE_UNREACHABLE)))
        } else {
            Step::Commit(request)
        };
        Self {
            client: held.client.clone(),
            id: held.id.clone(),
            trace_id: held.trace_id.clone(),
            form: Form::Unwritten { held, step },
            tried: None,
        }
    }

    /// Work that was allowed unseen, and what it cost.
    fn unseen(&self) -> Option<(Held, Amount)> {
        match &self.form {
            Form::Unwritten { held, step: Step::Event(event) }
                if held.unseen && held.id == self.id =>
            {
                Some((held.clone(), event.actual))
            }
            _ => None,
        }
    }

    async fn write_down(&mut self) {
        if self.client.journal().is_some() || self.unseen().is_some() {
            Box::pin(write_down(vec![self])).await;
        }
    }

    /// The record for the journal, if it is not in it.
    fn record(&self, base_url: &str) -> Option<Record> {
        let Form::Unwritten { held, step } = &self.form else { return None };
        let now = self.client.clock().now_ms();
        let (mode, commit, debit) = match step {
            Step::Commit(request) => {
                let reason = ErrorCode::ReservationExpired.as_str();
                let debit = to_raw_value(&event(held, request, reason)).ok()?;
                (Mode::Commit, to_raw_value(request).ok()?, debit)
            }
            // Other SDKs want both bodies; the one for commits is never sent.
            Step::Event(debit) => {
                let commit = CommitRequest::builder()
                    .idempotency_key(debit.idempotency_key.clone())
                    .actual(debit.actual)
                    .build();
                (Mode::Event, to_raw_value(&commit).ok()?, to_raw_value(debit).ok()?)
            }
        };
        let mut record = Record::commit(self.id.clone(), base_url, commit, debit, now);
        record.mode = mode;
        Some(record)
    }

    /// A spend that was found in the journal.
    pub(crate) fn found(
        client: &CyclesClient,
        journal: Arc<Journal>,
        record: Record,
        claim: Claim,
    ) -> Self {
        Self {
            id: record.reservation_id.clone(),
            trace_id: client.fresh_call().trace_id,
            client: client.clone(),
            form: Form::Written(Entry { journal, record, on_disk: true, _claim: Some(claim) }),
            tried: None,
        }
    }

    pub(crate) fn client(&self) -> &CyclesClient {
        &self.client
    }

    /// Whose spend it is.
    pub(crate) fn id(&self) -> &ReservationId {
        &self.id
    }

    /// Gives it a file of its own, where the journal's replay finds it.
    pub(crate) async fn keep(&mut self) {
        if let Form::Written(entry) = &mut self.form {
            entry.keep().await;
        }
    }

    /// Whether the journal goes on with it when this is dropped.
    pub(crate) fn is_on_disk(&self) -> bool {
        matches!(&self.form, Form::Written(entry) if entry.on_disk)
    }

    /// Says what happened, with the reservation named.
    pub(crate) fn warn(&self, error: &Error, what: &str) {
        tracing::warn!(reservation_id = %self.id, %error, "{what}");
    }

    /// Around all its tries.
    pub(crate) fn span(&self) -> tracing::Span {
        observed::settle(&self.id, &self.trace_id)
    }

    /// What the next try sends.
    pub(crate) fn operation(&self) -> Operation {
        match self.mode() {
            Mode::Commit => Operation::Commit,
            Mode::Event => Operation::CreateEvent,
        }
    }

    /// Counts how it stands, and tells of it unless it is booked and the caller
    /// `waited` for that.
    pub(crate) fn note(&self, settlement: &Settlement, waited: bool) {
        metrics::settled(settlement.name());
        if waited && !matches!(settlement, Settlement::Refused(_)) {
            return;
        }
        if let Some(notification) = Notification::settled(&self.id, settlement) {
            self.client.notify(notification);
        }
    }

    /// It is not booked: `pending`, `retained` or `refused`.
    pub(crate) fn tell_unsettled(&self, outcome: &'static str, error: &Error) {
        metrics::settled(outcome);
        self.client.notify(Notification::unsettled(&self.id, outcome, error));
    }

    /// The same spend, whose commit was tried and refused.
    pub(crate) fn tried(self, tried: Option<Error>) -> Self {
        Self { tried, ..self }
    }

    /// Tries once to book it.
    pub(crate) async fn attempt(&mut self) -> Tried {
        let mut expired = None;
        if self.mode() == Mode::Commit {
            let committed = match self.tried.take() {
                Some(error) => Err(error),
                None => self.commit().await,
            };
            match committed {
                Ok(settlement) => return Tried::Settled(settlement),
                Err(error) if is_expired(&error) => {
                    if !self.become_event().await {
                        return Tried::Retained(error);
                    }
                    expired = Some(error);
                }
                Err(error) => return judge(error, Mode::Commit),
            }
        }
        match self.event().await {
            Ok(settlement) => Tried::Settled(settlement),
            Err(error) => {
                let error = match expired {
                    Some(first) => error.after(first),
                    None => error,
                };
                judge(error, Mode::Event)
            }
        }
    }

    fn mode(&self) -> Mode {
        match &self.form {
            Form::Unwritten { step: Step::Commit(_), .. } => Mode::Commit,
            Form::Unwritten { step: Step::Event(_), .. } => Mode::Event,
            Form::Written(entry) => entry.record.mode,
        }
    }

    async fn commit(&self) -> Result<Settlement, Error> {
        Ok(Settlement::Committed(match &self.form {
            Form::Unwritten { step: Step::Commit(request), .. } => {
                let call = self.client.call(&self.trace_id);
                self.client.authority().commit(&call, &self.id, request).await?.value
            }
            _ => self.send(Operation::Commit).await?,
        }))
    }

    async fn event(&self) -> Result<Settlement, Error> {
        Ok(Settlement::RecoveredViaEvent(match &self.form {
            Form::Unwritten { step: Step::Event(request), .. } => {
                let call = self.client.call(&self.trace_id);
                self.client.authority().create_event(&call, (**request).clone()).await?.value
            }
            _ => self.send(Operation::CreateEvent).await?,
        }))
    }

    /// Sends the record's body as it stands.
    async fn send<T: Conforms>(&self, operation: Operation) -> Result<T, Error> {
        let Form::Written(entry) = &self.form else {
            return Err(Error::internal("a spend in memory was sent as a record"));
        };
        let missing = || Error::internal("record lacks the body of its mode");
        let body = entry.record.body().ok_or_else(missing)?;
        let mut request = RawRequest::new(operation, body.get().as_bytes().to_vec());
        request.idempotency_header = key_of(body).ok().as_deref().and_then(header_key);
        if operation.names_reservation() {
            request = request.on(&self.id);
        }
        let call = self.client.call(&self.trace_id);
        let answer = self.client.authority().send(&call, request).await?;
        conforms::read(&answer).map_err(|error: Error| error.in_trace(&call.trace_id))
    }

    /// From here on it is booked as a direct debit; on disk before the first
    /// one leaves. Answers whether there is what to send.
    async fn become_event(&mut self) -> bool {
        match &mut self.form {
            Form::Unwritten { held, step } => {
                if let Step::Commit(request) = step {
                    let reason = ErrorCode::ReservationExpired.as_str();
                    *step = Step::Event(Box::new(event(held, request, reason)));
                }
                true
            }
            Form::Written(entry) => {
                if entry.record.event_fallback_body.is_none() {
                    return false;
                }
                entry.record.mode = Mode::Event;
                entry.record.not_before_ms = None;
                entry.keep().await;
                true
            }
        }
    }

    /// It was booked or refused for good: the journal forgets it.
    pub(crate) fn resolve(self) {
        self.client.unseen().forget(&self.id);
        if let Form::Written(entry) = self.form {
            entry.journal.remove(&entry.record);
        }
    }

    /// It stays unresolved for now: gives it a file of its own, and remembers
    /// how long the authority asked to wait.
    pub(crate) async fn park(&mut self, error: &Error) {
        let now = self.client.clock().now_ms();
        if let Form::Written(entry) = &mut self.form {
            if let Some(wait) = error.retry_after() {
                entry.record.not_before_ms = Some(later(now, wait));
            }
            entry.keep().await;
        }
    }

    /// What an attempt that was refused until somebody acts comes to.
    pub(crate) async fn retain(mut self, error: Error) -> Settlement {
        self.park(&error).await;
        if self.is_on_disk() {
            tracing::error!(
                reservation_id = %self.id,
                %error,
                "spend is not booked and is kept: check the key and the budget"
            );
            self.tell_unsettled("retained", &error);
            Settlement::Pending(error)
        } else {
            self.client.unseen().forget(&self.id);
            self.tell_unsettled("refused", &error);
            Settlement::Refused(error)
        }
    }

    /// Whether the authority asked not to be asked yet.
    pub(crate) async fn is_early(&mut self) -> bool {
        let now = self.client.clock().now_ms();
        let Form::Written(entry) = &mut self.form else { return false };
        let longest = later(now, MAX_RETRY_AFTER);
        match entry.record.not_before_ms {
            Some(floor) if floor > longest => {
                entry.record.not_before_ms = Some(longest);
                entry.keep().await;
                true
            }
            Some(floor) => floor > now,
            None => false,
        }
    }
}

impl Entry {
    async fn keep(&mut self) {
        self.on_disk = self.journal.keep(&self.record).await.is_ok();
    }
}

fn later(now_ms: i64, wait: Duration) -> i64 {
    let wait = i64::try_from(wait.min(MAX_RETRY_AFTER).as_millis()).unwrap_or(i64::MAX);
    now_ms.saturating_add(wait)
}

/// Writes spends into the journal at once, where there is one.
async fn write_down(spends: Vec<&mut Spend>) {
    let unseen: Vec<_> = spends.iter().filter_map(|spend| spend.unseen()).collect();
    let on_disk = put(spends).await;
    for (held, actual) in unseen {
        held.spent_unseen(actual, on_disk);
    }
}

/// Answers whether they are on disk.
async fn put(spends: Vec<&mut Spend>) -> bool {
    let Some(journal) = spends.first().and_then(|spend| spend.client.journal()).cloned() else {
        return false;
    };
    let (spends, records): (Vec<_>, Vec<_>) = spends
        .into_iter()
        .filter_map(|spend| spend.record(journal.base_url()).map(|record| (spend, record)))
        .unzip();
    let claims: Vec<_> = records.iter().map(|record| journal.claim(record.shared_name())).collect();
    let on_disk = journal.put(&records).await.is_ok();
    for ((spend, record), claim) in spends.into_iter().zip(records).zip(claims) {
        let journal = Arc::clone(&journal);
        spend.form = Form::Written(Entry { journal, record, on_disk, _claim: claim });
    }
    on_disk
}

/// The same spend as a direct debit, under the commit's key (the two endpoints
/// have separate key namespaces).
fn event(held: &Held, commit: &CommitRequest, reason: &str) -> EventCreateRequest {
    let mut metadata = commit.metadata.clone().unwrap_or_default();
    // An authority knows the ids of reservations only.
    let id = if held.unseen { "unseen_id" } else { "recovered_reservation_id" };
    metadata.insert(id.to_owned(), held.id.as_str().into());
    metadata.insert("recovery_reason".to_owned(), reason.into());
    EventCreateRequest::builder()
        .idempotency_key(commit.idempotency_key.clone())
        .subject(held.request.subject.clone())
        .action(held.request.action.clone())
        .actual(commit.actual)
        .maybe_overage_policy(held.request.overage_policy)
        .maybe_metrics(commit.metrics.clone())
        .metadata(metadata)
        .build()
}
