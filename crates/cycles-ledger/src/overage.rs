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

/// Turns a hold of `held` into a charge of `actual` on every budget. An event
/// charges without a hold: `held` is 0.
///
/// # Errors
/// [`Refusal::OverageRejected`] or [`Refusal::BudgetExceeded`] under `REJECT`,
/// [`Refusal::OverdraftExceeded`] under `ALLOW_WITH_OVERDRAFT`,
/// [`Refusal::Overflow`].
pub fn charge(
    budgets: &Budgets,
    policy: CommitOveragePolicy,
    held: i64,
    actual: i64,
) -> Result<Charge, Refusal> {
    let overage = actual - held; // both are 0 to i64::MAX
    if overage <= 0 {
        return settle(budgets, held, actual, |_| Ok(Share::default()));
    }
    match policy {
        CommitOveragePolicy::Reject if held > 0 => {
            Err(Refusal::OverageRejected { actual, estimate: held })
        }
        CommitOveragePolicy::Reject => {
            refuse_exceeded(budgets, overage)?;
            settle(budgets, held, actual, |_| Ok(Share::default()))
        }
        CommitOveragePolicy::AllowIfAvailable => if_available(budgets, held, overage),
        CommitOveragePolicy::AllowWithOverdraft => with_overdraft(budgets, held, overage),
        CommitOveragePolicy::Unknown | _ => Err(Refusal::Inconsistent),
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
    settle(budgets, held, held + covered, |budget| {
        Ok(Share { debt: 0, is_over_limit: budget.available() < overage })
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
        Ok(if is_limitless(budget) {
            Share { debt: 0, is_over_limit: budget.available() < overage }
        } else {
            Share { debt: (granted - budget.available()).max(0), is_over_limit: false }
        })
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
    share: impl Fn(&Budget) -> Result<Share, Refusal>,
) -> Result<Charge, Refusal> {
    let budgets = budgets.map(|_, budget| {
        let share = share(&budget)?;
        let settled = budget.give_back(held)?;
        let spent = charged.checked_sub(share.debt).and_then(|paid| settled.spent.checked_add(paid));
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
