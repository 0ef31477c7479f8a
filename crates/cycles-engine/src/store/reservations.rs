//! A tenant's reservations, open and ended.

use std::collections::{BTreeSet, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;

use cycles_ledger::{Reservation, State};
use cycles_protocol::canonical::PayloadHash;
use cycles_protocol::{
    Amount, Caps, IdempotencyKey, JsonMap, ReservationDetail, ReservationId, scope,
};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use uuid::Uuid;

use super::{Slots, Snapshot, Work};
use crate::durable::log::Log;
use crate::{SeedRetention, ids};

/// One reservation with all that answers and replays need.
#[derive(Debug, Clone)]
pub struct Record {
    /// The ledger's part.
    pub reservation: Reservation,
    /// The budgets that it holds on.
    pub slots: Slots,
    /// Who spends, and on what.
    pub work: Work,
    /// As the create sent it.
    pub metadata: Option<Box<JsonMap>>,
    /// The create's idempotency key.
    pub key: Box<str>,
    /// What the create asked.
    pub hash: PayloadHash,
    /// The caps that the create answered.
    pub caps: Option<Arc<Caps>>,
    /// The expiry that the create answered; extensions move the live one.
    pub first_expires_at: i64,
    /// The budgets that the create answered.
    pub first_budgets: Snapshot,
    /// How it ended, if it did on purpose.
    pub settlement: Option<Box<Settlement>>,
}

/// How a reservation ended on purpose.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// By which operation.
    pub by: Settled,
    /// That operation's idempotency key.
    pub key: IdempotencyKey,
    /// What it asked.
    pub hash: PayloadHash,
    /// What it charged.
    pub charged: i64,
    /// What it gave back.
    pub released: i64,
    /// The budgets that it answered.
    pub budgets: Snapshot,
    /// As the commit sent it.
    pub metadata: Option<JsonMap>,
}

/// Which operation ended a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// A commit.
    Commit,
    /// A release.
    Release,
}

impl Record {
    /// An amount in its unit.
    #[must_use]
    pub const fn amount(&self, amount: i64) -> Amount {
        Amount::new(self.reservation.unit, amount)
    }

    /// The reservation as the wire shows it.
    #[must_use]
    pub fn detail(&self, id: Uuid, tenant: &str) -> ReservationDetail {
        let reservation = &self.reservation;
        let mut detail = ReservationDetail::new(
            ReservationId::new(ids::reservation(id)),
            reservation.state.status(),
            (self.work.subject(), self.work.action()),
            self.amount(reservation.estimate),
            (reservation.created_at, reservation.expires_at),
            self.scopes(tenant),
        );
        detail.idempotency_key = Some(IdempotencyKey::new(&*self.key));
        detail.finalized_at_ms = self.finalized_at();
        detail.metadata = self.metadata.as_deref().cloned();
        if let State::Committed { charged, .. } = reservation.state {
            detail.committed = Some(self.amount(charged));
            detail.committed_metadata =
                self.settlement.as_ref().and_then(|settlement| settlement.metadata.clone());
        }
        detail
    }

    /// All scopes that it touches, root first.
    #[must_use]
    pub fn scopes(&self, tenant: &str) -> Vec<String> {
        scope::of_levels(self.work.levels(), tenant)
    }

    /// The settlement that a repeated commit or release repeats.
    pub(crate) fn settled_by(&self, by: Settled, key: &IdempotencyKey) -> Option<&Settlement> {
        self.settlement.as_deref().filter(|settled| settled.by == by && settled.key == *key)
    }

    /// spec: only on committed and released rows
    #[must_use]
    pub const fn finalized_at(&self) -> Option<i64> {
        match self.reservation.state {
            State::Committed { at, .. } | State::Released { at } => Some(at),
            State::Active | State::Expired { .. } => None,
        }
    }
}

/// All reservations of a tenant.
#[derive(Debug)]
pub(crate) struct Reservations {
    retention: SeedRetention,
    records: HashMap<Uuid, Box<Record>>,
    /// By their key's hash, which stands beside the id; the key itself is only
    /// in the record.
    by_key: HashTable<(u64, Uuid)>,
    hasher: DefaultHashBuilder,
    /// Open reservations by the last moment at which they settle.
    due: BTreeSet<(i64, Uuid)>,
    /// Ended reservations, first ended first.
    ended: VecDeque<Ended>,
    /// What is new, and what changed.
    pub(crate) log: Log<Touched>,
}

#[derive(Debug)]
struct Ended {
    at: i64,
    id: Uuid,
    /// The number of the changes that a store was given it with.
    kept: u64,
}

/// What a store is not given yet; it never forgets such a reservation.
const NOT_KEPT: u64 = u64::MAX;

/// A reservation that is new or different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touched {
    New(Uuid),
    Changed(Uuid),
}

impl Reservations {
    pub(crate) fn keeping(retention: SeedRetention) -> Self {
        Self {
            retention,
            records: HashMap::default(),
            by_key: HashTable::default(),
            hasher: DefaultHashBuilder::default(),
            due: BTreeSet::default(),
            ended: VecDeque::default(),
            log: Log::default(),
        }
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<&Record> {
        self.records.get(&id).map(|record| &**record)
    }

    /// The reservation that a live reserve with `key` made.
    pub(crate) fn by_key(&self, key: &IdempotencyKey) -> Option<(Uuid, &Record)> {
        let hash = self.hasher.hash_one(key.as_str());
        let is_it = |(known, id): &(u64, Uuid)| {
            *known == hash && self.get(*id).is_some_and(|record| *record.key == *key.as_str())
        };
        let (_, id) = *self.by_key.find(hash, is_it)?;
        Some((id, self.get(id)?))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Uuid, &Record)> {
        self.records.iter().map(|(id, record)| (*id, &**record))
    }

    /// How many hold budget.
    pub(crate) fn open(&self) -> usize {
        self.due.len()
    }

    /// One that holds budget.
    pub(crate) fn next_open(&self) -> Option<Uuid> {
        self.due.first().map(|(_, id)| *id)
    }

    /// Those that hold budget, in the order in which they expire.
    pub(crate) fn by_expiry(&self) -> impl Iterator<Item = &Record> {
        self.due.iter().filter_map(|(_, id)| self.get(*id))
    }

    pub(crate) fn insert(&mut self, id: Uuid, record: Record) {
        self.log.note(|| Touched::New(id));
        self.restore(id, record);
    }

    /// Puts in a reservation that a store has already.
    pub(crate) fn restore(&mut self, id: Uuid, record: Record) {
        match record.reservation.state.ended_at() {
            None => _ = self.due.insert((record.reservation.settles_until(), id)),
            Some(at) => self.ended.push_back(Ended { at, id, kept: 0 }),
        }
        let hash = self.hasher.hash_one(&*record.key);
        self.by_key.insert_unique(hash, (hash, id), |(hash, _)| *hash);
        self.records.insert(id, Box::new(record));
    }

    /// Replaces the ledger's part after a command, and keeps the indexes true.
    pub(crate) fn update(&mut self, id: Uuid, after: Reservation, settlement: Option<Settlement>) {
        let Some(record) = self.records.get_mut(&id) else { return };
        self.due.remove(&(record.reservation.settles_until(), id));
        match after.state.ended_at() {
            None => _ = self.due.insert((after.settles_until(), id)),
            Some(at) => self.ended.push_back(Ended { at, id, kept: NOT_KEPT }),
        }
        self.log.note(|| Touched::Changed(id));
        record.reservation = after;
        record.settlement = settlement.map(Box::new);
    }

    /// One reservation that no longer settles at `now`.
    pub(crate) fn next_due(&self, now: i64) -> Option<Uuid> {
        self.due.first().filter(|(until, _)| *until < now).map(|(_, id)| *id)
    }

    /// Takes a reservation out of the expiry index for good: its record cannot
    /// be decided on, and must not block those behind it (semantics 2.5).
    pub(crate) fn quarantine(&mut self, id: Uuid) {
        if let Some(record) = self.records.get(&id) {
            self.due.remove(&(record.reservation.settles_until(), id));
        }
    }

    /// Notes that a store was given all that ended so far, with `number`.
    pub(crate) fn kept_with(&mut self, number: u64) {
        let ended = self.ended.iter_mut().rev();
        for ended in ended.take_while(|ended| ended.kept == NOT_KEPT) {
            ended.kept = number;
        }
    }

    /// Whether it is past its retention, in memory and elsewhere.
    pub(crate) fn is_forgotten(&self, record: &Record, now: i64) -> bool {
        let ended = record.reservation.state.ended_at();
        ended.is_some_and(|at| now > at.saturating_add(self.retention.finalized_ms))
    }

    /// Forgets one ended reservation that is past retention or count. Where a
    /// store keeps them, only one that is `durable` there.
    pub(crate) fn evict(&mut self, now: i64, durable: Option<u64>) -> Option<Uuid> {
        let &Ended { at, id, kept } = self.ended.front()?;
        let kept_until = at.saturating_add(self.retention.finalized_ms);
        if self.ended.len() <= self.retention.finalized_max && now <= kept_until {
            return None;
        }
        if durable.is_some_and(|durable| kept > durable) {
            return None;
        }
        self.ended.pop_front();
        if let Some(record) = self.records.remove(&id) {
            let hash = self.hasher.hash_one(&*record.key);
            if let Ok(entry) = self.by_key.find_entry(hash, |(_, known)| *known == id) {
                entry.remove();
            }
        }
        Some(id)
    }
}
