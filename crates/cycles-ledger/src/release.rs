//! Giving a hold back.

use crate::{Budgets, Refusal, Reservation, State, TenantSettings};

/// The records after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Released {
    /// After.
    pub budgets: Budgets,
    /// After.
    pub reservation: Reservation,
}

/// Gives the whole hold back to every budget.
///
/// # Errors
/// In this order (semantics 2.3): tenant closed, expired or finalized, grace.
pub fn release(
    tenant: &TenantSettings,
    budgets: &Budgets,
    reservation: &Reservation,
    now: i64,
) -> Result<Released, Refusal> {
    tenant.settles()?;
    reservation.active()?;
    reservation.settles(now)?;
    end(budgets, reservation, State::Released { at: now })
}

/// Gives the hold back and ends the reservation in `state`.
pub(crate) fn end(
    budgets: &Budgets,
    reservation: &Reservation,
    state: State,
) -> Result<Released, Refusal> {
    if budgets.scopes() != reservation.scopes {
        return Err(Refusal::Inconsistent);
    }
    let budgets = budgets.map(|_, budget| budget.give_back(reservation.estimate))?;
    Ok(Released { budgets, reservation: Reservation { state, ..*reservation } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Opening;
    use crate::fixtures::{self, NOW};

    #[test]
    fn the_hold_goes_back_once() {
        let mut budgets = fixtures::budgets(&[Opening::of(100)]);
        budgets = budgets
            .map(|_, mut budget| {
                budget.reserved = 60;
                Ok(budget)
            })
            .unwrap();
        let reservation = fixtures::reservation(60, budgets.scopes());
        let tenant = TenantSettings::default();
        let done = release(&tenant, &budgets, &reservation, NOW).unwrap();
        assert_eq!(done.budgets.get(0).unwrap().remaining(), 100);
        assert!(matches!(
            release(&tenant, &done.budgets, &done.reservation, NOW),
            Err(Refusal::Finalized { .. })
        ));
        assert_eq!(
            release(&tenant, &done.budgets, &reservation, NOW),
            Err(Refusal::Inconsistent),
            "more than is held never goes back"
        );
        let late = reservation.settles_until() + 1;
        assert!(matches!(
            release(&tenant, &budgets, &reservation, late),
            Err(Refusal::Expired { .. })
        ));
    }
}
