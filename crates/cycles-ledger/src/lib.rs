//! Pure budget decisions: `(state, command, now) -> (outcome, changes)`.
//!
//! No I/O, clock, randomness, float or async stands here, and no string but in
//! [`caps`]: a command reads the budgets of at most six scopes in one unit
//! ([`Budgets`]), at most one [`Reservation`] and the [`Terms`] of a policy,
//! all of them small and `Copy`, and answers the records as they are after it. Whoever runs the command stores all of
//! them or none, so a command changes everything or nothing. Every check,
//! overflow included, comes before that.
//!
//! A command that may not go on answers a [`Refusal`], which becomes an
//! [`Error`](cycles_protocol::Error) at the edge, where scopes have names.
//!
//! One file per operation: [`reserve`], [`commit`], [`release`], [`extend`],
//! [`event`], [`expire`], [`fund`], [`close`]. What they share: [`admission`] says in which
//! order reasons to refuse count, [`overage`] what is charged, [`policy`] whose
//! word holds. After a decision, [`caps`] says within which limits the work may
//! go on, [`period`] what a budget's next period starts with, and [`shortage`] when asking again may help.

pub mod admission;
pub mod budget;
pub mod budgets;
pub mod caps;
pub mod close;
pub mod commit;
pub mod event;
pub mod expire;
pub mod extend;
pub mod fund;
pub mod overage;
pub mod period;
pub mod policy;
pub mod refusal;
pub mod release;
pub mod reservation;
pub mod reserve;
pub mod shortage;
pub mod tenant;
pub mod unit_set;

pub use budget::Budget;
pub use budgets::{Budgets, MAX_SCOPES, ScopeSet};
pub use caps::CapsRule;
pub use commit::Committed;
pub use event::Applied;
pub use extend::Extended;
pub use fund::Funding;
pub use policy::Terms;
pub use refusal::{Place, Refusal};
pub use release::Released;
pub use reservation::{Reservation, State};
pub use reserve::{Reserve, Reserved};
pub use shortage::Hold;
pub use tenant::TenantSettings;
pub use unit_set::UnitSet;

#[cfg(test)]
mod fixtures;
