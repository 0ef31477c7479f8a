//! Why new work may not go on, and when asking again may help.

use cycles_ledger::{Hold, Refusal, admission, shortage};
use cycles_protocol::{Error, Unit};

use crate::limits;
use crate::store::{Slots, TenantState};

/// New work that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) scopes: &'a [String],
    pub(super) slots: &'a Slots,
    pub(super) unit: Unit,
    pub(super) now: i64,
}

/// A refusal of work that would not have held anything: an answer, not an error.
#[derive(Debug)]
pub(super) struct Denial {
    pub(super) reason_code: &'static str,
    pub(super) retry_after_ms: Option<i64>,
}

impl Asked<'_> {
    /// The refusal as an error; decision: "a live denial's hint is
    /// `details.retry_after_ms`".
    pub(super) fn refuse(&self, refusal: Refusal, state: &TenantState) -> Error {
        let refusal = self.name_missing(refusal, state);
        let error = state.refuse(refusal, self.scopes, self.unit);
        match self.retry_after_ms(refusal, state) {
            Some(wait) => error.detail("retry_after_ms", wait),
            None => error,
        }
    }

    /// The refusal as a denial.
    ///
    /// # Errors
    /// Where it is an error without a hold too: spec, a wrong unit is 400 here
    /// as well, and budget states never are.
    pub(super) fn deny(&self, refusal: Refusal, state: &TenantState) -> Result<Denial, Error> {
        let refusal = self.name_missing(refusal, state);
        let reason_code =
            refusal.reason_code().ok_or_else(|| state.refuse(refusal, self.scopes, self.unit))?;
        Ok(Denial { reason_code, retry_after_ms: self.retry_after_ms(refusal, state) })
    }

    /// Says which of the two it is when no scope has a budget in the unit.
    fn name_missing(&self, refusal: Refusal, state: &TenantState) -> Refusal {
        match refusal {
            Refusal::NoBudget => {
                admission::no_budget(self.scopes.iter().map(|scope| state.budgets.units(scope)))
            }
            refusal => refusal,
        }
    }

    /// When enough of what others hold expires, unless they settle it or extend
    /// it before, or when the next period covers it. None where time alone does not help, and where the holds that
    /// expire first do not tell.
    fn retry_after_ms(&self, refusal: Refusal, state: &TenantState) -> Option<i64> {
        let Refusal::BudgetExceeded { requested, .. } = refusal else { return None };
        let of_holds = || {
            let holds = state.reservations.by_expiry().take(limits::HINT_HOLDS_MAX);
            let holds = holds.map(|record| Hold {
                on: self.slots.shared(&record.slots),
                estimate: record.reservation.estimate,
                settles_until: record.reservation.settles_until(),
            });
            shortage::wait_ms(&state.budgets.load(self.slots), requested, holds, self.now)
        };
        let of_periods = state.budgets.covers_from(self.slots, requested);
        let of_periods = of_periods.map(|at| at.saturating_sub(self.now).max(0));
        of_holds().into_iter().chain(of_periods).min()
    }
}
