//! Charging what the work really cost.

use cycles_protocol::Amount;

use crate::{Budgets, Refusal, Reservation, State, TenantSettings, overage};

/// The records after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// After.
    pub budgets: Budgets,
    /// After.
    pub reservation: Reservation,
    /// What was charged; less than the actual where the overage was capped.
    pub charged: i64,
    /// What went back of the hold.
    pub released: i64,
}

/// Charges `actual` on every budget the reservation holds on. Frozen and closed
/// budgets settle what they granted.
///
/// # Errors
/// In this order (semantics 2.3): tenant closed, expired or finalized, unit,
/// grace, overage policy.
pub fn commit(
    tenant: &TenantSettings,
    budgets: &Budgets,
    reservation: &Reservation,
    actual: Amount,
    now: i64,
) -> Result<Committed, Refusal> {
    tenant.settles()?;
    reservation.active()?;
    if actual.unit != reservation.unit {
        return Err(Refusal::WrongUnit { expected: reservation.unit });
    }
    reservation.settles(now)?;
    if budgets.scopes() != reservation.scopes {
        return Err(Refusal::Inconsistent);
    }
    let held = reservation.estimate;
    let charge = overage::charge(budgets, reservation.overage_policy, Some(held), actual.amount)?;
    Ok(Committed {
        budgets: charge.budgets,
        reservation: Reservation {
            state: State::Committed { charged: charge.charged, at: now },
            ..*reservation
        },
        charged: charge.charged,
        released: (held - charge.charged).max(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Opening;
    use crate::fixtures::{self, NOW};
    use crate::{Reserve, Reserved, Terms, reserve};
    use cycles_protocol::control::TenantStatus;
    use cycles_protocol::{CommitOveragePolicy, ReservationStatus, Unit};

    fn held(estimate: i64) -> Reserved {
        let budgets = fixtures::budgets(&[Opening::of(1000)]);
        let command = Reserve {
            unit: Unit::Tokens,
            estimate,
            ttl_ms: None,
            grace_ms: None,
            overage_policy: Some(CommitOveragePolicy::Reject),
        };
        reserve::reserve(&TenantSettings::default(), &Terms::default(), &budgets, &command, NOW)
            .unwrap()
    }

    fn try_commit(held: &Reserved, actual: Amount, now: i64) -> Result<Committed, Refusal> {
        commit(&TenantSettings::default(), &held.budgets, &held.reservation, actual, now)
    }

    #[test]
    fn underspend_goes_back() {
        let done = try_commit(&held(500), Amount::tokens(300), NOW).unwrap();
        assert_eq!((done.charged, done.released), (300, 200));
        let budget = done.budgets.get(0).unwrap();
        assert_eq!((budget.spent, budget.reserved, budget.remaining()), (300, 0, 700));
        assert_eq!(done.reservation.state, State::Committed { charged: 300, at: NOW });
    }

    #[test]
    fn it_settles_through_grace_and_not_after() {
        let held = held(5);
        let last = held.reservation.settles_until();
        assert!(try_commit(&held, Amount::tokens(5), last).is_ok());
        assert!(matches!(
            try_commit(&held, Amount::tokens(5), last + 1),
            Err(Refusal::Expired { .. })
        ));
    }

    #[test]
    fn reasons_come_in_order() {
        let mut held = held(5);
        let late = held.reservation.settles_until() + 1;
        let wrong = Amount::credits(9);
        assert!(matches!(try_commit(&held, wrong, late), Err(Refusal::WrongUnit { .. })));
        held.reservation.state = State::Released { at: NOW };
        assert_eq!(
            try_commit(&held, wrong, late),
            Err(Refusal::Finalized { status: ReservationStatus::Released })
        );
        let closed = TenantSettings { status: TenantStatus::Closed, ..TenantSettings::default() };
        assert_eq!(
            commit(&closed, &held.budgets, &held.reservation, wrong, late),
            Err(Refusal::TenantClosed)
        );
    }

    #[test]
    fn budgets_other_than_the_held_ones_are_refused() {
        let held = held(5);
        assert_eq!(
            commit(
                &TenantSettings::default(),
                &Budgets::default(),
                &held.reservation,
                Amount::tokens(5),
                NOW
            ),
            Err(Refusal::Inconsistent)
        );
    }
}
