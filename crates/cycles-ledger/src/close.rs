//! What closing a tenant does to what it owns; spec: CLOSE CASCADE.

use cycles_protocol::control::BudgetStatus;

use crate::{Budget, Budgets, Refusal, Released, Reservation, State, release};

/// Gives an open hold back to every budget, whatever the tenant's status and the
/// reservation's lease; nothing is charged.
///
/// # Errors
/// [`Refusal::Finalized`] or [`Refusal::Expired`] when it ended already;
/// [`Refusal::Inconsistent`] when the budgets do not hold it.
pub fn release(
    budgets: &Budgets,
    reservation: &Reservation,
    now: i64,
) -> Result<Released, Refusal> {
    reservation.active()?;
    release::end(budgets, reservation, State::Released { at: now })
}

/// The same budget, closed for good; what is held still goes back to what
/// remains. `None` when it is closed already.
#[must_use]
pub fn budget(budget: Budget) -> Option<Budget> {
    match budget.status {
        BudgetStatus::Closed => None,
        _ => Some(Budget { reserved: 0, status: BudgetStatus::Closed, ..budget }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Opening;
    use crate::fixtures::{self, NOW};

    fn held() -> Budgets {
        let budgets = fixtures::budgets(&[Opening { spent: 30, debt: 5, ..Opening::of(100) }]);
        let hold = |_, budget| Ok(Budget { reserved: 40, ..budget });
        budgets.map(hold).unwrap()
    }

    #[test]
    fn holds_go_back_without_a_charge_even_after_their_lease() {
        let budgets = held();
        let reservation = fixtures::reservation(40, budgets.scopes());
        let late = reservation.settles_until() + 1;
        let done = release(&budgets, &reservation, late).unwrap();
        let after = done.budgets.get(0).unwrap();
        assert_eq!(
            (after.reserved(), after.spent(), after.debt(), after.remaining()),
            (0, 30, 5, 65)
        );
        assert_eq!(done.reservation.state, State::Released { at: late });
        assert!(release(&done.budgets, &done.reservation, NOW).is_err(), "only once");
    }

    #[test]
    fn a_closed_budget_holds_nothing_and_keeps_the_rest() {
        let before = *held().get(0).unwrap();
        let after = budget(before).unwrap();
        assert_eq!(after.status(), BudgetStatus::Closed);
        assert_eq!(
            (after.reserved(), after.spent(), after.debt(), after.remaining()),
            (0, 30, 5, 65)
        );
        let frozen = before.frozen(true).unwrap();
        assert_eq!(budget(frozen), Some(after), "a frozen one too");
        assert_eq!(budget(after), None, "once");
    }
}
