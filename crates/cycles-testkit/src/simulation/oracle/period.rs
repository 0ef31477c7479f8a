//! Budgets that start anew, said a second time: one end after the other.

use cycles_protocol::control::{BudgetStatus, RolloverPolicy};

use super::ledger::{Budget, Entry};
use crate::simulation::world::PeriodPlan;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Where a budget stands among its periods.
#[derive(Debug)]
pub(super) struct Period {
    length_ms: i64,
    rollover: RolloverPolicy,
    /// What each period starts with.
    pub(super) granted: i128,
    /// The first millisecond of the next one.
    ends: i64,
}

impl Period {
    /// The period that `now` lies in, when the budget is set.
    pub(super) fn from_plan(plan: PeriodPlan, granted: i128, now: i64) -> Self {
        let (length_ms, ends) = match plan.length_ms {
            Some(length_ms) => (length_ms, now + length_ms),
            None => (DAY_MS, (now.div_euclid(DAY_MS) + 1) * DAY_MS),
        };
        Self { length_ms, rollover: plan.rollover, granted, ends }
    }
}

impl Budget {
    /// Begins every period that has begun by `now` (ADR 10).
    pub(super) fn roll(&mut self, now: i64) {
        while let Some(period) = &mut self.period
            && now >= period.ends
        {
            period.ends += period.length_ms;
            let (granted, rollover) = (period.granted, period.rollover);
            // A closed budget stays as it was closed.
            if self.status == BudgetStatus::Closed {
                continue;
            }
            let sums = self.sums(0);
            let unspent = (sums.allocated - sums.spent).max(0);
            let carried = match rollover {
                RolloverPolicy::CarryForward => unspent,
                RolloverPolicy::CapAtAllocated => unspent.min(granted),
                _ => 0,
            };
            let allocated = (granted + carried).min(i64::MAX.into());
            self.enter(Entry::ResetSpent { allocated, spent: 0 });
            self.is_over_limit = sums.debt > self.overdraft_limit;
        }
    }

    /// When its next period begins, if it has one.
    pub(super) fn next_period(&self) -> Option<i64> {
        self.period.as_ref().map(|period| period.ends)
    }
}
