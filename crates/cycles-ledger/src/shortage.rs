//! How long a budget is short, where only time is needed.

use crate::{Budgets, MAX_SCOPES, ScopeSet};

/// A live hold, as the request sees it that it stands in the way of.
#[derive(Debug, Clone, Copy)]
pub struct Hold {
    /// Which of the request's scopes it holds on.
    pub on: ScopeSet,
    /// How much.
    pub estimate: i64,
    /// The last moment at which it settles.
    pub settles_until: i64,
}

/// How long until enough of `holds` has expired to cover `requested` on every
/// budget, in milliseconds; none when all of them together do not.
///
/// `holds` come in the order in which they expire, and only as many are looked
/// at as it takes.
pub fn wait_ms(
    budgets: &Budgets,
    requested: i64,
    holds: impl IntoIterator<Item = Hold>,
    now: i64,
) -> Option<i64> {
    // What each budget lacks. i128, since `remaining` may be negative.
    let mut lacking = [0i128; MAX_SCOPES];
    for (position, budget) in budgets.iter() {
        lacking[position] = i128::from(requested) - i128::from(budget.remaining());
        if lacking[position] > i128::from(budget.reserved()) {
            return None; // not even if everything came back
        }
    }
    for hold in holds {
        for (position, lacking) in lacking.iter_mut().enumerate() {
            if hold.on.contains(position) {
                *lacking -= i128::from(hold.estimate);
            }
        }
        if lacking.iter().all(|lacking| *lacking <= 0) {
            // It settles through that moment, and is back in the next.
            return Some(hold.settles_until.saturating_add(1).saturating_sub(now).max(0));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Budget;
    use crate::budget::Opening;

    const NOW: i64 = 1_000;

    fn held(reserved: &[i64]) -> Budgets {
        let mut scopes = [None; MAX_SCOPES];
        for (slot, reserved) in scopes.iter_mut().zip(reserved) {
            let budget = Budget::open(Opening::of(100)).unwrap();
            *slot = Some(Budget { reserved: *reserved, ..budget });
        }
        Budgets::new(scopes)
    }

    fn hold(positions: &[usize], estimate: i64, settles_until: i64) -> Hold {
        let on = positions.iter().fold(ScopeSet::default(), |set, position| set.with(*position));
        Hold { on, estimate, settles_until }
    }

    #[test]
    fn the_hold_that_makes_it_enough_counts() {
        let holds = [hold(&[0], 30, 1_010), hold(&[0], 30, 1_020), hold(&[0], 40, 1_030)];
        let wait = |requested| wait_ms(&held(&[100]), requested, holds, NOW);
        assert_eq!(wait(30), Some(11));
        assert_eq!(wait(31), Some(21));
        assert_eq!(wait(100), Some(31));
        assert_eq!(wait(101), None, "more than the budget");
        assert_eq!(wait(i64::MAX), None);
    }

    #[test]
    fn every_short_scope_must_be_covered() {
        let budgets = held(&[60, 100]);
        let holds = [hold(&[0], 60, 1_010), hold(&[0, 1], 0, 1_015), hold(&[1], 100, 1_020)];
        assert_eq!(wait_ms(&budgets, 50, holds, NOW), Some(21));
        assert_eq!(wait_ms(&budgets, 50, holds[..2].iter().copied(), NOW), None, "not seen");
    }

    #[test]
    fn spent_budget_does_not_return() {
        let mut budget = Budget::open(Opening { spent: 80, ..Opening::of(100) }).unwrap();
        budget.reserved = 20;
        let budgets = Budgets::new([Some(budget), None, None, None, None, None]);
        let holds = [hold(&[0], 20, 1_010)];
        assert_eq!(wait_ms(&budgets, 21, holds, NOW), None);
        assert_eq!(wait_ms(&budgets, 20, holds, NOW), Some(11));
    }
}
