//! The memory store: gone at exit. One [`Tenant`] per tenant behind its lock.

mod audit;
mod budgets;
mod keys;
mod periods;
mod policies;
mod replays;
mod reservations;
mod snapshot;
mod tenant;
mod work;

pub(crate) use audit::{Audit, Row as AuditRow};
pub(crate) use budgets::{BudgetId, BudgetRow, BudgetTable, Slots, balance};
pub(crate) use keys::{ApiKey, KeyHash, Keys};
pub(crate) use periods::Periods;
pub(crate) use policies::{PolicyRow, PolicyTable};
pub(crate) use replays::{Endpoint, ReplayKey, Replays, Stored, mismatch};
pub(crate) use reservations::{Record, Reservations, Settled, Settlement};
pub(crate) use snapshot::{Amounts, Snapshot};
pub(crate) use tenant::{Owners, Tenant, TenantState};
pub(crate) use work::Work;
