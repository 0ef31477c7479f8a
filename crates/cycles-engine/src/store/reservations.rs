//! A tenant's reservations, open and ended.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use cycles_ledger::{Budget, Budgets, Reservation, State};
use cycles_protocol::canonical::PayloadHash;
use cycles_protocol::{
    Action, Amount, Caps, IdempotencyKey, JsonMap, ReservationDetail, ReservationId, Subject, scope,
};
use uuid::Uuid;

use super::Slots;
use crate::{ids, limits};

/// One reservation with all that answers and replays need.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) reservation: Reservation,
    pub(crate) slots: Slots,
    pub(crate) subject: Subject,
    pub(crate) action: Action,
    pub(crate) metadata: Option<JsonMap>,
    pub(crate) key: IdempotencyKey,
    pub(crate) hash: PayloadHash,
    /// The caps that the create answered.
    pub(crate) caps: Option<Arc<Caps>>,
    /// The expiry that the create answered; extensions move the live one.
    pub(crate) first_expires_at: i64,
    /// The budgets that the create answered.
    pub(crate) first_budgets: Box<[Budget]>,
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
    pub(crate) budgets: Box<[Budget]>,
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
            (self.subject.clone(), self.action.clone()),
            self.amount(reservation.estimate),
            (reservation.created_at, reservation.expires_at),
            scope::derive(&self.subject, tenant),
        );
        detail.idempotency_key = Some(self.key.clone());
        detail.finalized_at_ms = self.finalized_at();
        detail.metadata.clone_from(&self.metadata);
        if let State::Committed { charged, .. } = reservation.state {
            detail.committed = Some(self.amount(charged));
            detail.committed_metadata =
                self.settlement.as_ref().and_then(|settlement| settlement.metadata.clone());
        }
        detail
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

/// The budgets there are, in the order of their scopes.
pub(crate) fn snapshot(budgets: &Budgets) -> Box<[Budget]> {
    budgets.iter().map(|(_, budget)| *budget).collect()
}

/// All reservations of a tenant.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    records: HashMap<Uuid, Box<Record>>,
    by_key: HashMap<IdempotencyKey, Uuid>,
    /// Open reservations by the last moment at which they settle.
    due: BTreeSet<(i64, Uuid)>,
    /// Ended reservations, first ended first.
    ended: VecDeque<(i64, Uuid)>,
}

impl Reservations {
    pub(crate) fn get(&self, id: Uuid) -> Option<&Record> {
        self.records.get(&id).map(|record| &**record)
    }

    /// The reservation that a live reserve with `key` made.
    pub(crate) fn by_key(&self, key: &IdempotencyKey) -> Option<(Uuid, &Record)> {
        let id = *self.by_key.get(key)?;
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
        self.by_key.insert(record.key.clone(), id);
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
        let kept_until = at.saturating_add(limits::FINALIZED_RETENTION_MS);
        if self.ended.len() <= limits::FINALIZED_MAX && now <= kept_until {
            return None;
        }
        self.ended.pop_front();
        if let Some(record) = self.records.remove(&id) {
            self.by_key.remove(&record.key);
        }
        Some(id)
    }
}
