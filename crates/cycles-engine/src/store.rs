//! State in memory, one [`Tenant`] per tenant behind its lock. Gone at exit,
//! unless a store keeps it ([`crate::durable`]).

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

pub(crate) use audit::Audit;
pub use audit::AuditRow;
pub use budgets::{BudgetId, BudgetRow, Slots};
pub(crate) use budgets::{BudgetTable, balance};
pub(crate) use keys::Keys;
pub use keys::{ApiKey, KeyHash};
pub use periods::KeptPeriods;
pub(crate) use periods::Periods;
pub(crate) use policies::{PolicyRow, PolicyTable};
pub use replays::{Endpoint, ReplayKey, Stored};
pub(crate) use replays::{Replays, mismatch};
pub(crate) use reservations::Reservations;
pub use reservations::{Record, Settled, Settlement};
pub use snapshot::{Amounts, Snapshot};
pub(crate) use tenant::{Owners, Tenant, TenantState, Turn};
pub use work::Work;
