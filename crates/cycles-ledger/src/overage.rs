//! What is charged, and what happens to the part that the hold does not cover.

use cycles_protocol::CommitOveragePolicy;

use crate::admission::refuse_exceeded;
use crate::{Budget, Budgets, Refusal};

/// The budgets after a charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charge {
    /// After.
    pub budgets: Budgets,
    /// What was charged; less than the actual where the overage was capped.
    pub charged: i64,
}

/// Turns a hold into a charge of `actual` on every budget; an event charges
/// without a hold.
///
/// # Errors
/// [`Refusal::OverageRejected`] or [`Refusal::BudgetExceeded`] under `REJECT`,
/// [`Refusal::OverdraftExceeded`] under `ALLOW_WITH_OVERDRAFT`,
/// [`Refusal::Overflow`].
pub fn charge(
    budgets: &Budgets,
    policy: CommitOveragePolicy,
    estimate: Option<i64>,
    actual: i64,
) -> Result<Charge, Refusal> {
    let held = estimate.unwrap_or(0);
    if actual < 0 || held < 0 {
        return Err(Refusal::Overflow);
    }
    let overage = actual - held;
    // spec: `EventCreateRequest.overage_policy`, REJECT: an event of 0 too is
    // more than what remains, where that is negative
    if overage <= 0 && (policy, estimate) != (CommitOveragePolicy::Reject, None) {
        return settle(budgets, held, actual, |_| Share::default());
    }
    match (policy, estimate) {
        (CommitOveragePolicy::Reject, Some(estimate)) => {
            Err(Refusal::OverageRejected { actual, estimate })
        }
        (CommitOveragePolicy::Reject, None) => {
            refuse_exceeded(budgets, overage)?;
            settle(budgets, held, actual, |_| Share::default())
        }
        (CommitOveragePolicy::AllowIfAvailable, _) => if_available(budgets, held, overage),
        (CommitOveragePolicy::AllowWithOverdraft, _) => with_overdraft(budgets, held, overage),
        _ => Err(Refusal::Inconsistent),
    }
}

/// What one budget bears beyond being charged.
#[derive(Default)]
struct Share {
    /// The part of the charge that becomes debt.
    debt: i64,
    /// Whether the budget is flagged.
    is_over_limit: bool,
}

/// Charges what the scarcest budget still has; never refuses, never owes.
/// Only the scopes that were short are flagged.
fn if_available(budgets: &Budgets, held: i64, overage: i64) -> Result<Charge, Refusal> {
    let covered = covered(budgets, overage, |_| true);
    settle(budgets, held, held + covered, |budget| Share {
        debt: 0,
        is_over_limit: budget.available() < overage,
    })
}

/// Scopes without an overdraft limit cap the overage as under
/// `ALLOW_IF_AVAILABLE`, and only they are flagged; the others owe the part
/// that they do not cover (decision: "What becomes debt").
fn with_overdraft(budgets: &Budgets, held: i64, overage: i64) -> Result<Charge, Refusal> {
    let is_limitless = |budget: &Budget| budget.overdraft_limit == 0;
    let granted = covered(budgets, overage, is_limitless);
    for (scope, budget) in budgets.iter().filter(|(_, budget)| !is_limitless(budget)) {
        let uncovered = (granted - budget.available()).max(0);
        let debt = budget.debt.checked_add(uncovered);
        if uncovered > 0 && debt.is_none_or(|debt| debt > budget.overdraft_limit) {
            let (debt, limit) = (budget.debt, budget.overdraft_limit);
            return Err(Refusal::OverdraftExceeded { scope, uncovered, debt, limit });
        }
    }
    settle(budgets, held, held + granted, |budget| {
        if is_limitless(budget) {
            Share { debt: 0, is_over_limit: budget.available() < overage }
        } else {
            Share { debt: (granted - budget.available()).max(0), is_over_limit: false }
        }
    })
}

/// How much of the overage those budgets cover all at once.
fn covered(budgets: &Budgets, overage: i64, counts: impl Fn(&Budget) -> bool) -> i64 {
    let available = budgets.iter().filter(|(_, budget)| counts(budget));
    available.map(|(_, budget)| budget.available()).fold(overage, i64::min)
}

fn settle(
    budgets: &Budgets,
    held: i64,
    charged: i64,
    share: impl Fn(&Budget) -> Share,
) -> Result<Charge, Refusal> {
    let budgets = budgets.map(|_, budget| {
        let share = share(&budget);
        let settled = budget.give_back(held)?;
        let spent =
            charged.checked_sub(share.debt).and_then(|paid| settled.spent.checked_add(paid));
        let debt = settled.debt.checked_add(share.debt);
        Budget {
            spent: spent.ok_or(Refusal::Overflow)?,
            debt: debt.ok_or(Refusal::Overflow)?,
            is_over_limit: settled.is_over_limit || share.is_over_limit,
            ..settled
        }
        .checked()
    })?;
    Ok(Charge { budgets, charged })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Opening;
    use crate::fixtures::budgets;
    use CommitOveragePolicy::{AllowIfAvailable, AllowWithOverdraft, Reject};
    use proptest::prelude::*;

    /// Spent, debt and flag of every budget.
    fn after(charge: &Charge) -> Vec<(i64, i64, bool)> {
        let row = |budget: &Budget| (budget.spent, budget.debt, budget.is_over_limit);
        charge.budgets.iter().map(|(_, budget)| row(budget)).collect()
    }

    fn limited(allocated: i64, overdraft_limit: i64) -> Opening {
        Opening { overdraft_limit, ..Opening::of(allocated) }
    }

    #[test]
    fn a_cap_flags_only_the_short_scope() {
        let charge =
            charge(&budgets(&[Opening::of(1000), Opening::of(100)]), AllowIfAvailable, None, 150)
                .unwrap();
        assert_eq!(charge.charged, 100);
        assert_eq!(after(&charge), [(100, 0, false), (100, 0, true)]);
    }

    #[test]
    fn only_the_uncovered_part_becomes_debt() {
        let budgets = budgets(&[limited(100, 50)]);
        let charged = charge(&budgets, AllowWithOverdraft, None, 150).unwrap();
        assert_eq!((charged.charged, after(&charged)), (150, vec![(100, 50, false)]));
        assert_eq!(
            charge(&budgets, AllowWithOverdraft, None, 151),
            Err(Refusal::OverdraftExceeded { scope: 0, uncovered: 51, debt: 0, limit: 50 })
        );
    }

    #[test]
    fn a_scope_without_a_limit_caps_the_others() {
        let budgets = budgets(&[limited(50, 500), limited(100, 0)]);
        let charge = charge(&budgets, AllowWithOverdraft, None, 150).unwrap();
        assert_eq!(charge.charged, 100);
        assert_eq!(after(&charge), [(50, 50, false), (100, 0, true)]);
    }

    #[test]
    fn reject_refuses_any_overage_of_a_hold_even_of_zero() {
        let budgets = budgets(&[Opening::of(100)]);
        assert_eq!(
            charge(&budgets, Reject, Some(0), 5),
            Err(Refusal::OverageRejected { actual: 5, estimate: 0 })
        );
        assert_eq!(charge(&budgets, Reject, None, 100).unwrap().charged, 100);
        assert!(matches!(
            charge(&budgets, Reject, None, 101),
            Err(Refusal::BudgetExceeded { scope: 0, requested: 101, remaining: 100 })
        ));
    }

    #[test]
    fn overflow_changes_nothing_anywhere() {
        let full = Opening { spent: i64::MAX, ..limited(i64::MAX, i64::MAX) };
        let budgets = budgets(&[limited(i64::MAX, i64::MAX), full]);
        assert_eq!(
            charge(&budgets, AllowWithOverdraft, None, i64::MAX).map(|charge| charge.charged),
            Ok(i64::MAX),
            "debt carries what spent cannot"
        );
        let owing = Opening { debt: i64::MAX, spent: 1, ..limited(0, i64::MAX) };
        assert!(charge(&self::budgets(&[owing]), AllowWithOverdraft, None, 1).is_err());
    }

    prop_compose! {
        fn opening()(allocated in 0..1000i64, spent in 0..1200i64, debt in 0..100i64, limit in prop_oneof![Just(0), 0..200i64]) -> Opening {
            Opening { spent, debt, ..limited(allocated, limit) }
        }
    }

    proptest! {
        #[test]
        fn what_is_charged_lands_in_spent_and_debt(
            openings in prop::collection::vec(opening(), 1..=6),
            actual in 0..2000i64,
            policy in prop_oneof![Just(Reject), Just(AllowIfAvailable), Just(AllowWithOverdraft)],
        ) {
            let before = budgets(&openings);
            let Ok(charge) = charge(&before, policy, None, actual) else { return Ok(()) };
            prop_assert!(charge.charged <= actual);
            prop_assert!(policy == AllowWithOverdraft || policy == AllowIfAvailable || charge.charged == actual);
            for ((_, old), (_, new)) in before.iter().zip(charge.budgets.iter()) {
                prop_assert_eq!(new.spent + new.debt, old.spent + old.debt + charge.charged);
                prop_assert_eq!(new.remaining(), old.remaining() - charge.charged);
                if policy == AllowIfAvailable {
                    prop_assert_eq!(new.debt, old.debt, "never creates debt");
                    prop_assert!(new.remaining() >= old.remaining().min(0));
                }
                if new.debt > old.debt {
                    prop_assert!(new.debt <= new.overdraft_limit);
                }
                prop_assert!(!old.is_over_limit || new.is_over_limit, "a charge never clears the flag");
            }
        }
    }
}
