//! [`DurableStore`]: where an engine's state outlives the process.
//!
//! Decisions are made in memory, under the tenant's lock. What a turn changed
//! is handed over as one [`Changes`] before the lock is let go, so that a store
//! sees a tenant's changes in the order in which they were decided. Answers wait
//! until what they have seen is durable; [`seen`] keeps count.

mod health;
pub(crate) mod log;
mod query;
pub(crate) mod seen;

use std::fmt::Debug;
use std::sync::Arc;

use cycles_ledger::{Budget, Reservation};
use cycles_protocol::canonical::PayloadHash;
use cycles_protocol::control::{self, Policy, Tenant};
use cycles_protocol::{BoxFuture, Error, IdempotencyKey};
use uuid::Uuid;

pub use crate::store::{
    Amounts, ApiKey, AuditRow, BudgetId, BudgetRow, Endpoint, KeptPeriods, KeyHash, Record,
    ReplayKey, Settled, Settlement, Slots, Snapshot, Stored, Work,
};
pub use health::{Health, Standing, unavailable};
pub use query::{ReservationQuery, SortValue};

/// What one turn changed, all of it or nothing.
#[derive(Debug)]
pub struct Changes {
    /// Whose, as the tenant spells itself; nobody's for the audit log.
    pub tenant: Arc<str>,
    /// What.
    pub changes: Vec<Change>,
}

/// One record that is new or different.
#[derive(Debug)]
pub enum Change {
    /// A tenant is new.
    Tenant(Box<Tenant>),
    /// A tenant's own record is different.
    TenantRecord(Box<Tenant>),
    /// A key is new.
    Key(KeyHash, Box<ApiKey>),
    /// A key was taken back.
    KeyRecord(Box<control::ApiKey>),
    /// A budget is new.
    Budget(BudgetId, Box<BudgetRow>),
    /// A budget's amounts, status or periods changed.
    Amounts(BudgetId, Budget, Option<Box<KeptPeriods>>),
    /// A policy is new; its caps apply from so many percent of a budget.
    Policy(Box<Policy>, u8),
    /// A reservation is new.
    Reserved(Uuid, Box<Record>),
    /// A reservation was extended or ended.
    Reservation(Uuid, Reservation, Option<Box<Settlement>>),
    /// An answer is kept for replays.
    Replay(Arc<ReplayKey>, Replay),
    /// An operator did something.
    Audit(Box<AuditRow>),
}

/// An answer that is kept for replays.
#[derive(Debug, Clone)]
pub struct Replay {
    /// What was asked.
    pub hash: PayloadHash,
    /// The last moment at which it is repeated.
    pub until: i64,
    /// What was answered.
    pub answer: Stored,
}

/// What a store holds, but for reservations and replays.
#[derive(Debug, Default)]
pub struct Contents {
    /// Every tenant.
    pub tenants: Vec<TenantContents>,
    /// Every key.
    pub keys: Vec<(KeyHash, ApiKey)>,
    /// The newest entries of the audit log, oldest first.
    pub audit: Vec<AuditRow>,
}

/// What a store holds of one tenant.
#[derive(Debug)]
pub struct TenantContents {
    /// Itself.
    pub record: Tenant,
    /// Its budgets, in the order in which they were made.
    pub budgets: Vec<BudgetRow>,
    /// Its policies, in the order in which they were made, with the percentage
    /// from which their caps apply.
    pub policies: Vec<(Policy, u8)>,
    /// Whether ended reservations or replays of it are in the store.
    pub has_history: bool,
}

/// Keeps what an engine decides.
///
/// [`append`](Self::append) never waits; [`settled`](Self::settled) answers once
/// everything up to a number is on disk. Look-ups see at least what is durable.
pub trait DurableStore: Debug + Send + Sync + 'static {
    /// Takes what a turn changed and answers its number; numbers rise. Does
    /// nothing once the store has failed.
    fn append(&self, changes: Changes) -> u64;

    /// While it is held, nothing that is taken is written; then all of it at once,
    /// or nothing, where it is dropped before.
    fn hold(&self, held: bool);

    /// Everything up to this number is durable.
    fn durable(&self) -> u64;

    /// Whether it keeps what it is given.
    fn standing(&self) -> Standing;

    /// Says that memory was made anew from what is on disk: after a failure, and
    /// again once it can keep something.
    fn reloaded(&self);

    /// Waits until everything up to `number` is durable, which was given or seen
    /// in that generation of the store.
    ///
    /// # Errors
    /// 503, when the store is of another generation before that.
    fn settled(&self, number: u64, generation: u64) -> BoxFuture<'_, Result<(), Error>>;

    /// As [`settled`](Self::settled), holding the thread.
    ///
    /// # Errors
    /// As [`settled`](Self::settled).
    fn settled_now(&self, number: u64, generation: u64) -> Result<(), Error>;

    /// All there is, but for reservations and replays.
    ///
    /// # Errors
    /// When the store cannot be read or contradicts itself.
    fn contents(&self) -> Result<Contents, Error>;

    /// Hands over every open reservation, with the position of its tenant in
    /// [`Contents::tenants`].
    ///
    /// # Errors
    /// When the store cannot be read or contradicts itself.
    fn open_reservations(&self, each: &mut dyn FnMut(usize, Uuid, Record)) -> Result<(), Error>;

    /// A reservation and whose it is.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn reservation(&self, id: Uuid) -> Result<Option<(String, Record)>, Error>;

    /// The reservation that a live reserve of `tenant` with `key` made.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn reservation_by_key(
        &self,
        tenant: &str,
        key: &IdempotencyKey,
    ) -> Result<Option<(Uuid, Record)>, Error>;

    /// An answer that is kept for replays.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn replay(&self, tenant: &str, key: &ReplayKey) -> Result<Option<Replay>, Error>;

    /// The first rows of a listing.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn list(&self, query: ReservationQuery) -> BoxFuture<'_, Result<Vec<(Uuid, Record)>, Error>>;

    /// Forgets reservations that ended before `ended_before` and answers kept
    /// until before `now`, a bounded part of them at a time.
    fn tidy(&self, now: i64, ended_before: i64);
}
