//! Answers that are given again to a repeated idempotency key.

use std::collections::BTreeMap;
use std::sync::Arc;

use cycles_protocol::canonical::PayloadHash;
use cycles_protocol::control::BudgetFundingResponse;
use cycles_protocol::{
    DecisionResponse, Error, ErrorCode, EventCreateResponse, ExtendResponse, IdempotencyKey,
    ReservationCreateResponse,
};
use hashbrown::HashMap;

use crate::durable::Replay;
use crate::durable::log::Log;

/// spec: idempotency holds per (effective tenant, endpoint, key). Commits,
/// releases and live reserves are kept on the reservation itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A dry run of a reserve.
    Create,
    /// A decision.
    Decide,
    /// A direct event.
    Event,
    /// An extension.
    Extend,
    /// A funding.
    Fund,
}

/// Names one answer within a tenant.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ReplayKey {
    /// Where it was sent.
    pub endpoint: Endpoint,
    /// The reservation or budget that the path names, if it names one.
    pub target: u128,
    /// What the caller chose.
    pub key: IdempotencyKey,
}

impl ReplayKey {
    /// Names one answer.
    #[must_use]
    pub const fn new(endpoint: Endpoint, target: u128, key: IdempotencyKey) -> Self {
        Self { endpoint, target, key }
    }
}

/// An answer, whole: a replay is never put together from live state.
#[derive(Debug, Clone)]
pub enum Stored {
    /// To a dry run of a reserve.
    Create(Arc<ReservationCreateResponse>),
    /// To a decision.
    Decide(Arc<DecisionResponse>),
    /// To a direct event.
    Event(Arc<EventCreateResponse>),
    /// To an extension.
    Extend(Arc<ExtendResponse>),
    /// To a funding.
    Fund(Arc<BudgetFundingResponse>),
}

#[derive(Debug)]
struct Entry {
    replay: Replay,
    /// Place in `by_expiry`.
    inserted: u64,
}

/// The answers of one tenant, so many at the most.
#[derive(Debug)]
pub(crate) struct Replays {
    max: usize,
    entries: HashMap<Arc<ReplayKey>, Entry>,
    by_expiry: BTreeMap<(i64, u64), Arc<ReplayKey>>,
    inserted: u64,
    /// What is new.
    pub(crate) log: Log<Arc<ReplayKey>>,
    /// Those inserted up to here may be forgotten before their time.
    pub(crate) expendable: u64,
    has_forgotten: bool,
}

impl Replays {
    pub(crate) fn keeping(max: usize) -> Self {
        let (entries, by_expiry) = (HashMap::default(), BTreeMap::default());
        Self {
            max,
            entries,
            by_expiry,
            inserted: 0,
            log: Log::default(),
            expendable: u64::MAX,
            has_forgotten: false,
        }
    }

    /// The answer to repeat, if the key was used.
    ///
    /// # Errors
    /// `IDEMPOTENCY_MISMATCH` when it was used for another payload.
    pub(crate) fn find(
        &self,
        key: &ReplayKey,
        hash: &PayloadHash,
        now: i64,
    ) -> Result<Option<&Stored>, Error> {
        match self.get(key).filter(|replay| now <= replay.until) {
            Some(replay) if replay.hash != *hash => Err(mismatch(&key.key)),
            replay => Ok(replay.map(|replay| &replay.answer)),
        }
    }

    /// Keeps an answer through `until`.
    pub(crate) fn insert(
        &mut self,
        key: ReplayKey,
        hash: PayloadHash,
        answer: Stored,
        now: i64,
        until: i64,
    ) {
        self.prune(now);
        let key = Arc::new(key);
        self.log.note(|| Arc::clone(&key));
        self.put(key, Replay { hash, until, answer });
        self.shrink();
    }

    pub(crate) fn get(&self, key: &ReplayKey) -> Option<&Replay> {
        self.entries.get(key).map(|entry| &entry.replay)
    }

    /// Puts an answer in that was kept elsewhere, or under a key without one.
    pub(crate) fn put(&mut self, key: Arc<ReplayKey>, replay: Replay) {
        self.inserted += 1;
        let (until, inserted) = (replay.until, self.inserted);
        self.by_expiry.insert((until, inserted), Arc::clone(&key));
        // An entry that stands here has expired, or `find` had answered it.
        if let Some(old) = self.entries.insert(key, Entry { replay, inserted }) {
            self.by_expiry.remove(&(old.replay.until, old.inserted));
        }
    }

    /// How many were ever put in.
    pub(crate) const fn inserted(&self) -> u64 {
        self.inserted
    }

    /// Forgets what is beyond the limit.
    pub(crate) fn shrink(&mut self) {
        while self.entries.len() > self.max
            && self.by_expiry.first_key_value().is_some_and(|(at, _)| at.1 <= self.expendable)
        {
            self.evict_first();
            self.has_forgotten = true;
        }
    }

    /// Whether an answer went before its time.
    pub(crate) const fn has_forgotten(&self) -> bool {
        self.has_forgotten
    }

    /// Forgets what is past its retention.
    pub(crate) fn prune(&mut self, now: i64) {
        while self.by_expiry.first_key_value().is_some_and(|((until, _), _)| *until < now) {
            self.evict_first();
        }
    }

    fn evict_first(&mut self) {
        if let Some((_, key)) = self.by_expiry.pop_first() {
            self.entries.remove(&*key);
        }
    }
}

/// The refusal of a key that was used for another payload.
pub(crate) fn mismatch(key: &IdempotencyKey) -> Error {
    Error::new(
        ErrorCode::IdempotencyMismatch,
        format!(
            "the idempotency key was used for another payload; use a new key idempotency_key={key}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use cycles_protocol::Decision;

    const MAX: usize = 10;

    fn key(name: &str) -> ReplayKey {
        ReplayKey::new(Endpoint::Decide, 0, name.into())
    }

    fn answer() -> Stored {
        Stored::Decide(Arc::new(DecisionResponse {
            decision: Decision::Allow,
            caps: None,
            reason_code: None,
            retry_after_ms: None,
            affected_scopes: None,
            cycles_evidence: None,
        }))
    }

    #[test]
    fn an_answer_lasts_through_its_retention_and_is_forgotten_after() {
        let mut replays = Replays::keeping(MAX);
        replays.insert(key("a"), [1; 32], answer(), 0, 10);
        assert!(replays.find(&key("a"), &[1; 32], 10).unwrap().is_some());
        assert_eq!(
            replays.find(&key("a"), &[2; 32], 10).unwrap_err().code(),
            ErrorCode::IdempotencyMismatch
        );
        assert!(replays.find(&key("a"), &[2; 32], 11).unwrap().is_none());
        replays.prune(11);
        assert!(replays.entries.is_empty() && replays.by_expiry.is_empty());
    }

    #[test]
    fn endpoints_and_targets_do_not_share_keys() {
        let mut replays = Replays::keeping(MAX);
        replays.insert(key("a"), [1; 32], answer(), 0, 10);
        for other in [
            ReplayKey::new(Endpoint::Event, 0, "a".into()),
            ReplayKey::new(Endpoint::Decide, 1, "a".into()),
        ] {
            assert!(replays.find(&other, &[2; 32], 0).unwrap().is_none());
        }
    }

    #[test]
    fn what_expires_first_goes_first_when_full() {
        let mut replays = Replays::keeping(MAX);
        replays.insert(key("long"), [1; 32], answer(), 0, 1_000);
        for index in 0..MAX {
            replays.insert(key(&index.to_string()), [1; 32], answer(), 0, 10);
        }
        assert_eq!(replays.entries.len(), MAX);
        assert!(replays.find(&key("long"), &[1; 32], 0).unwrap().is_some());
        assert!(replays.find(&key("0"), &[1; 32], 0).unwrap().is_none());
    }
}
