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
use crate::{SeedRetention, ids};

/// One reservation with all that answers and replays need.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) reservation: Reservation,
    pub(crate) slots: Slots,
    pub(crate) work: Work,
    pub(crate) metadata: Option<Box<JsonMap>>,
    pub(crate) key: Box<str>,
    pub(crate) hash: PayloadHash,
    /// The caps that the create answered.
    pub(crate) caps: Option<Arc<Caps>>,
    /// The expiry that the create answered; extensions move the live one.
    pub(crate) first_expires_at: i64,
    /// The budgets that the create answered.
    pub(crate) first_budgets: Snapshot,
    pub(crate) settlement: Option<Box<Settlement>>,
}

/// How a reservation ended on purpose.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) by: Settled,
    pub(crate) key: IdempotencyKey,
    pub(crate) hash: PayloadHash,
    pub(crate) charged: i64,
    pub(crate) released: i64,
    /// The budgets that it answered.
    pub(crate) budgets: Snapshot,
    pub(crate) metadata: Option<JsonMap>,
}

/// Which operation ended a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settled {
    Commit,
    Release,
}

impl Record {
    pub(crate) const fn amount(&self, amount: i64) -> Amount {
        Amount::new(self.reservation.unit, amount)
    }

    /// The reservation as the wire shows it.
    pub(crate) fn detail(&self, id: Uuid, tenant: &str) -> ReservationDetail {
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
    pub(crate) fn scopes(&self, tenant: &str) -> Vec<String> {
        scope::of_levels(self.work.levels(), tenant)
    }

    /// The settlement that a repeated commit or release repeats.
    pub(crate) fn settled_by(&self, by: Settled, key: &IdempotencyKey) -> Option<&Settlement> {
        self.settlement.as_deref().filter(|settled| settled.by == by && settled.key == *key)
    }

    /// spec: only on committed and released rows
    pub(crate) const fn finalized_at(&self) -> Option<i64> {
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
    ended: VecDeque<(i64, Uuid)>,
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

    /// Those that hold budget, in the order in which they expire.
    pub(crate) fn by_expiry(&self) -> impl Iterator<Item = &Record> {
        self.due.iter().filter_map(|(_, id)| self.get(*id))
    }

    pub(crate) fn insert(&mut self, id: Uuid, record: Record) {
        self.due.insert((record.reservation.settles_until(), id));
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
            Some(at) => self.ended.push_back((at, id)),
        }
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

    /// Forgets one ended reservation that is past retention or count.
    pub(crate) fn evict(&mut self, now: i64) -> Option<Uuid> {
        let (at, id) = *self.ended.front()?;
        let kept_until = at.saturating_add(self.retention.finalized_ms);
        if self.ended.len() <= self.retention.finalized_max && now <= kept_until {
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
