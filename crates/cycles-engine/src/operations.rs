//! The nine runtime operations, one file each. Every one of them checks in the
//! order of semantics 2.2: who calls, the request's form, permission, the
//! reservation, its tenant, replay, and then what the ledger says.

mod balances;
mod commit;
mod create;
mod decide;
mod event;
mod extend;
mod get;
mod list;
mod release;

use cycles_ledger::{Refusal, admission};
use cycles_protocol::Unit;

use crate::store::TenantState;

/// Says which of the two it is when no scope has a budget in the unit.
fn name_missing(refusal: Refusal, state: &TenantState, scopes: &[String]) -> Refusal {
    match refusal {
        Refusal::NoBudget => {
            admission::no_budget(scopes.iter().map(|scope| state.budgets.units(scope)))
        }
        refusal => refusal,
    }
}

/// A refusal of new work as an error.
fn refuse(
    refusal: Refusal,
    state: &TenantState,
    scopes: &[String],
    unit: Unit,
) -> cycles_protocol::Error {
    state.refuse(name_missing(refusal, state, scopes), scopes, unit)
}
