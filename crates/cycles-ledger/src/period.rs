//! A budget's next period: what it starts with.
//!
//! When a period ends is the calendar's business; here stands what that does to
//! the amounts, as a pure function of how many ends have passed.

use cycles_protocol::control::{BudgetStatus, RolloverPolicy};

use crate::Budget;

/// The budget once `passed` periods have ended, each of which starts with
/// `granted` and what `rollover` lets it keep.
///
/// Holds and debt stay, as `RESET_SPENT` keeps them: a hold settles in the period
/// in which it is committed. What is carried is what was granted and not spent,
/// holds included, so that carrying forward neither makes money nor loses it:
///
/// - `NONE`: nothing is carried;
/// - `CARRY_FORWARD`: all of it;
/// - `CAP_AT_ALLOCATED`: at most one period's grant.
///
/// Closed budgets stay as they are. Amounts beyond `i64` stay at its end.
#[must_use]
pub fn roll(budget: Budget, rollover: RolloverPolicy, granted: i64, passed: u64) -> Budget {
    if passed == 0 || budget.status == BudgetStatus::Closed {
        return budget;
    }
    let unspent = budget.allocated.saturating_sub(budget.spent).max(0);
    // Nothing is spent in the periods between, so each adds what it was granted.
    let idle = i64::try_from(passed - 1).unwrap_or(i64::MAX);
    let carried = match rollover {
        RolloverPolicy::CarryForward => unspent.saturating_add(granted.saturating_mul(idle)),
        RolloverPolicy::CapAtAllocated if idle > 0 => granted,
        RolloverPolicy::CapAtAllocated => unspent.min(granted),
        _ => 0,
    };
    // The invariant holds: what is taken from `allocated` became less.
    let allocated = granted.saturating_add(carried);
    // As every funding operation does, which ends a capped charge's block.
    let is_over_limit = budget.debt > budget.overdraft_limit;
    let next = Budget { allocated, spent: 0, is_over_limit, ..budget };
    next.checked().unwrap_or(budget)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Opening;
    use proptest::prelude::*;

    const NONE: RolloverPolicy = RolloverPolicy::None;
    const CARRY: RolloverPolicy = RolloverPolicy::CarryForward;
    const CAP: RolloverPolicy = RolloverPolicy::CapAtAllocated;

    fn used(spent: i64, reserved: i64, debt: i64) -> Budget {
        let budget = Budget::open(Opening { spent, debt, ..Opening::of(100) }).unwrap();
        Budget { reserved, ..budget }.checked().unwrap()
    }

    #[test]
    fn each_policy_keeps_what_it_says_and_holds_and_debt_stay() {
        for (policy, spent, allocated) in [
            (NONE, 30, 100),
            (CARRY, 30, 170),
            (CAP, 30, 170),
            (CARRY, 100, 100),
            (CAP, 0, 200),
            (CARRY, 0, 200),
        ] {
            let next = roll(used(spent, 20, 5), policy, 100, 1);
            assert_eq!((next.allocated(), next.spent()), (allocated, 0), "{policy} {spent}");
            assert_eq!((next.reserved(), next.debt()), (20, 5));
        }
    }

    #[test]
    fn what_was_topped_up_is_carried_up_to_the_cap() {
        let rich = Budget::open(Opening { spent: 10, ..Opening::of(500) }).unwrap();
        assert_eq!(roll(rich, CARRY, 100, 1).allocated(), 590);
        assert_eq!(roll(rich, CAP, 100, 1).allocated(), 200);
        assert_eq!(roll(rich, NONE, 100, 1).allocated(), 100);
    }

    #[test]
    fn a_new_period_ends_a_capped_charges_block_and_leaves_closed_budgets() {
        let opening = Opening { spent: 100, is_over_limit: true, ..Opening::of(100) };
        assert!(!roll(Budget::open(opening).unwrap(), NONE, 100, 1).is_over_limit());
        let owing = Opening { debt: 9, ..opening };
        assert!(roll(Budget::open(owing).unwrap(), NONE, 100, 1).is_over_limit());
        let closed = Budget::open(Opening { status: BudgetStatus::Closed, ..opening }).unwrap();
        assert_eq!(roll(closed, NONE, 100, 1), closed);
    }

    fn budgets() -> impl Strategy<Value = Budget> {
        let amount = prop_oneof![0..1_000_i64, 0..=i64::MAX / 4];
        (amount.clone(), amount.clone(), amount.clone(), amount).prop_map(
            |(allocated, spent, reserved, debt)| {
                let opening = Opening { spent, debt, ..Opening::of(allocated) };
                Budget { reserved, ..Budget::open(opening).unwrap() }.checked().unwrap()
            },
        )
    }

    proptest! {
        #[test]
        fn many_periods_at_once_are_as_many_one_by_one(
            budget in budgets(),
            granted in prop_oneof![0..1_000_i64, 0..=i64::MAX],
            passed in 0..6_u64,
            policy in prop::sample::select(RolloverPolicy::ALL.to_vec()),
        ) {
            let mut one_by_one = budget;
            for _ in 0..passed {
                one_by_one = roll(one_by_one, policy, granted, 1);
            }
            prop_assert_eq!(roll(budget, policy, granted, passed), one_by_one);
        }

        #[test]
        fn carrying_forward_adds_just_what_is_granted(
            budget in budgets(),
            granted in 0..1_000_000_i64,
            passed in 1..6_u64,
        ) {
            prop_assume!(budget.allocated() >= budget.spent());
            let next = roll(budget, CARRY, granted, passed);
            let added = granted * i64::try_from(passed).unwrap();
            prop_assert_eq!(next.remaining(), budget.remaining() + added);
        }
    }
}
