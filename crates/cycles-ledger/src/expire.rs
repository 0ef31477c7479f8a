//! Giving back what nobody settled in time.

use crate::{Budgets, Refusal, Released, Reservation, State, release};

/// Ends a reservation whose lease and grace ran out: exactly then, and never
/// before. Frozen and closed budgets and tenants take it back too.
///
/// # Errors
/// [`Refusal::Finalized`] or [`Refusal::Expired`] when it ended already;
/// [`Refusal::Inconsistent`] when it still settles.
pub fn expire(budgets: &Budgets, reservation: &Reservation, now: i64) -> Result<Released, Refusal> {
    reservation.active()?;
    if now <= reservation.settles_until() {
        return Err(Refusal::Inconsistent);
    }
    release::end(budgets, reservation, State::Expired { at: now })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Opening;
    use crate::fixtures;

    #[test]
    fn exactly_after_grace_and_once() {
        let budgets = fixtures::budgets(&[Opening::of(100)]);
        let reservation = fixtures::reservation(0, budgets.scopes());
        let last = reservation.settles_until();
        assert_eq!(expire(&budgets, &reservation, last), Err(Refusal::Inconsistent));
        let done = expire(&budgets, &reservation, last + 1).unwrap();
        assert_eq!(done.reservation.state, State::Expired { at: last + 1 });
        assert!(matches!(
            expire(&budgets, &done.reservation, last + 2),
            Err(Refusal::Expired { .. })
        ));
    }
}
