//! One tenant: its state behind one lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cycles_ledger::{Budgets, Place, Refusal, TenantSettings, caps, expire};
use cycles_protocol::control::Tenant as TenantRecord;
use cycles_protocol::{Caps, Error, ErrorCode, ReservationId, Unit, limits as wire};
use dashmap::DashMap;
use hashbrown::DefaultHashBuilder;
use parking_lot::Mutex;
use uuid::Uuid;

pub(crate) use turn::Turn;

use super::{BudgetTable, PolicyRow, PolicyTable, Record, Replays, Reservations, Slots};
use crate::durable::log::Log;
use crate::durable::{Change, DurableStore};
use crate::{SeedRetention, ids, limits};

mod kept;
mod turn;

/// Whose reservation it is, over all tenants.
pub(crate) type Owners = DashMap<Uuid, Arc<Tenant>, DefaultHashBuilder>;

/// A tenant. Its commands run one at a time; tenants run in parallel.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) id: String,
    waiting: AtomicUsize,
    state: Mutex<TenantState>,
    /// What keeps it, if anything does.
    store: Option<Arc<dyn DurableStore>>,
}

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct TenantState {
    pub(crate) record: TenantRecord,
    pub(crate) settings: TenantSettings,
    pub(crate) budgets: BudgetTable,
    pub(crate) policies: PolicyTable,
    pub(crate) reservations: Reservations,
    pub(crate) replays: Replays,
    /// Reservations that expired since the start.
    pub(crate) expired: u64,
    /// What changed beside the tables: the record, keys, the audit log.
    beside: Log<Change>,
    kept: Kept,
}

/// What a store was given.
#[derive(Debug, Default)]
struct Kept {
    /// The number of the last changes.
    number: u64,
    /// The numbers of changes that are perhaps not durable, with how many
    /// replays there were then.
    pending: VecDeque<(u64, u64)>,
    /// Whether the store knows what memory has forgotten.
    has_history: bool,
}

impl Tenant {
    pub(crate) fn new(
        record: TenantRecord,
        retention: SeedRetention,
        store: Option<Arc<dyn DurableStore>>,
    ) -> Self {
        let mut state = TenantState {
            settings: settings(&record),
            record,
            budgets: BudgetTable::default(),
            policies: PolicyTable::default(),
            reservations: Reservations::keeping(retention),
            replays: Replays::keeping(retention.replays_max),
            expired: 0,
            beside: Log::default(),
            kept: Kept::default(),
        };
        if store.is_some() {
            state.keep();
        }
        let (id, waiting) = (state.record.tenant_id.clone(), AtomicUsize::new(0));
        Self { id, waiting, state: Mutex::new(state), store }
    }

    /// How many wait for their turn.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// The tenant's turn, once it comes.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when too many wait already.
    pub(crate) fn turn(&self) -> Result<Turn<'_>, Error> {
        if let Some(state) = self.state.try_lock() {
            return Ok(Turn::new(self, state));
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= limits::WAITERS_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(busy(&self.id));
        }
        let state = self.state.lock();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Ok(Turn::new(self, state))
    }
}

fn busy(tenant: &str) -> Error {
    Error::new(
        ErrorCode::LimitExceeded,
        format!("too many requests wait for this tenant; try again tenant={tenant}"),
    )
    .retry_after_hint(Duration::from_secs(limits::RETRY_AFTER_SECONDS))
}

fn settings(record: &TenantRecord) -> TenantSettings {
    TenantSettings {
        status: record.status,
        overage_policy: record.default_commit_overage_policy,
        ttl_ms_default: record.default_reservation_ttl_ms.unwrap_or(wire::TTL_MS_DEFAULT),
        ttl_ms_max: record.max_reservation_ttl_ms.unwrap_or(wire::TTL_MS_TENANT_MAX_DEFAULT),
        extensions_max: record.max_reservation_extensions.unwrap_or(wire::EXTENSIONS_MAX_DEFAULT),
    }
}

impl TenantState {
    /// Makes time true before a command sees the state: periods begin, what is due
    /// expires, what is past its retention goes. Answers how many expired.
    pub(crate) fn catch_up(&mut self, owners: &Owners, now: i64, durable: Option<u64>) -> usize {
        let mut expired = 0;
        self.budgets.roll(now);
        while let Some(id) = self.reservations.next_due(now) {
            if self.expire(id, now).is_ok() {
                expired += 1;
                self.expired += 1;
            } else {
                self.reservations.quarantine(id);
            }
        }
        while let Some(id) = self.reservations.evict(now, durable) {
            owners.remove(&id);
            self.kept.has_history = durable.is_some();
        }
        expired
    }

    fn expire(&mut self, id: Uuid, now: i64) -> Result<(), Refusal> {
        let record = self.reservations.get(id).ok_or(Refusal::Inconsistent)?;
        let slots = record.slots;
        let after = expire::expire(&self.budgets.load(&slots), &record.reservation, now)?;
        self.budgets.store(&slots, &after.budgets);
        self.reservations.update(id, after.reservation, None);
        Ok(())
    }

    /// Replaces the tenant's own record.
    pub(crate) fn set_record(&mut self, record: TenantRecord) {
        self.settings = settings(&record);
        self.beside.note(|| Change::TenantRecord(Box::new(record.clone())));
        self.record = record;
    }

    /// Gives the store something with what the turn changes, all of it or nothing.
    pub(crate) fn with_the_turn(&mut self, change: impl FnOnce() -> Change) {
        self.beside.note(change);
    }

    /// The reservation, unless it was evicted since its owner was found.
    pub(crate) fn reservation(&self, uuid: Uuid, id: &ReservationId) -> Result<&Record, Error> {
        self.reservations.get(uuid).ok_or_else(|| ids::not_found(id))
    }

    /// The caps that come with a hold that leaves `budgets`.
    pub(crate) fn caps(
        &self,
        policy: Option<&PolicyRow>,
        slots: &Slots,
        budgets: &Budgets,
    ) -> Option<Arc<Caps>> {
        let of_policy = policy.and_then(|policy| policy.caps.as_ref());
        caps::granted(budgets, of_policy, self.budgets.caps(slots))
    }

    /// A refusal in this tenant's words.
    pub(crate) fn refuse(&self, refusal: Refusal, scopes: &[String], unit: Unit) -> Error {
        refusal.into_error(Place { tenant: &self.record.tenant_id, scopes, unit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cycles_protocol::control::{TenantCreateRequest, TenantStatus};

    #[test]
    fn waiters_are_bounded_and_the_count_comes_back() {
        let record = TenantRecord::from_request(
            TenantCreateRequest { tenant_id: "acme".into(), ..TenantCreateRequest::default() },
            TenantStatus::Active,
            String::new(),
        );
        let tenant = Tenant::new(record, SeedRetention::default(), None);
        let held = tenant.turn().unwrap();
        tenant.waiting.store(limits::WAITERS_MAX, Ordering::Relaxed);
        let error = tenant.turn().map(|_| ()).unwrap_err();
        assert_eq!((error.code(), error.status()), (ErrorCode::LimitExceeded, Some(429)));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
        assert_eq!(tenant.waiting.load(Ordering::Relaxed), limits::WAITERS_MAX);
        drop(held);
        assert!(tenant.turn().is_ok(), "a free lock needs no waiting");
    }
}
