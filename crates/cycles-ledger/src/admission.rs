//! Whether new work may start, and which reason counts when several say no.

use cycles_protocol::control::BudgetStatus;

use crate::{Budget, Budgets, Refusal, TenantSettings, UnitSet};

/// Whether `amount` may be held on every budget.
///
/// The kinds of refusal are asked in this order, each of them root first
/// (decision: "Several scopes refuse at once"): tenant, no budget at all, over
/// limit, closed, frozen, debt, exceeded.
///
/// # Errors
/// The first refusal in that order. For [`Refusal::NoBudget`] see
/// [`no_budget`].
pub fn admit(tenant: &TenantSettings, budgets: &Budgets, amount: i64) -> Result<(), Refusal> {
    tenant.admits_new_work()?;
    if budgets.scopes().is_empty() {
        return Err(Refusal::NoBudget);
    }
    // Nearly every command is admitted, and then one pass suffices.
    if budgets.iter().all(|(_, budget)| is_plain(budget) && budget.remaining() >= amount) {
        return Ok(());
    }
    refuse_over_limit(budgets)?;
    refuse_closed_or_frozen(budgets)?;
    refuse_debt(budgets)?;
    refuse_exceeded(budgets, amount)
}

fn is_plain(budget: &Budget) -> bool {
    budget.status == BudgetStatus::Active && budget.debt == 0 && !budget.is_over_limit
}

/// The refusal when no scope has a budget in the unit: `units` tells the units
/// of each scope, root first (spec: `UNIT_MISMATCH` before `NOT_FOUND`).
#[must_use]
pub fn no_budget(units: impl IntoIterator<Item = UnitSet>) -> Refusal {
    let mut scopes = units.into_iter().enumerate();
    scopes
        .find(|(_, expected)| !expected.is_empty())
        .map_or(Refusal::NoBudget, |(scope, expected)| Refusal::NoBudgetInUnit { scope, expected })
}

fn refuse_over_limit(budgets: &Budgets) -> Result<(), Refusal> {
    first(budgets, |scope, budget| {
        // Debt with no limit at all has its own refusal.
        let owes_too_much = budget.overdraft_limit > 0 && budget.debt > budget.overdraft_limit;
        (budget.is_over_limit || owes_too_much).then_some(Refusal::OverLimit {
            scope,
            debt: budget.debt,
            limit: budget.overdraft_limit,
        })
    })
}

/// Closed before frozen, root first within each.
pub(crate) fn refuse_closed_or_frozen(budgets: &Budgets) -> Result<(), Refusal> {
    first(budgets, |scope, budget| match budget.status {
        BudgetStatus::Closed => Some(Refusal::BudgetClosed { scope }),
        BudgetStatus::Unknown => Some(Refusal::Inconsistent),
        _ => None,
    })?;
    first(budgets, |scope, budget| {
        (budget.status == BudgetStatus::Frozen).then_some(Refusal::BudgetFrozen { scope })
    })
}

fn refuse_debt(budgets: &Budgets) -> Result<(), Refusal> {
    // decision: "Debt with a positive overdraft limit" does not block by itself
    first(budgets, |scope, budget| {
        (budget.debt > 0 && budget.overdraft_limit == 0)
            .then_some(Refusal::DebtOutstanding { scope, debt: budget.debt })
    })
}

pub(crate) fn refuse_exceeded(budgets: &Budgets, amount: i64) -> Result<(), Refusal> {
    first(budgets, |scope, budget| {
        let remaining = budget.remaining();
        (remaining < amount).then_some(Refusal::BudgetExceeded {
            scope,
            requested: amount,
            remaining,
        })
    })
}

fn first(
    budgets: &Budgets,
    reason: impl Fn(usize, &Budget) -> Option<Refusal>,
) -> Result<(), Refusal> {
    budgets.iter().find_map(|(scope, budget)| reason(scope, budget)).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Opening;
    use crate::fixtures::budgets;
    use cycles_protocol::Unit;
    use cycles_protocol::control::TenantStatus;

    const PLAIN: Opening = Opening::of(1000);
    const EXCEEDED: Opening = Opening::of(0);
    const DEBT: Opening = Opening { debt: 5, ..PLAIN };
    const FROZEN: Opening = Opening { status: BudgetStatus::Frozen, ..PLAIN };
    const CLOSED: Opening = Opening { status: BudgetStatus::Closed, ..PLAIN };
    const OVER: Opening = Opening { is_over_limit: true, ..PLAIN };

    fn refused(openings: &[Opening]) -> Refusal {
        admit(&TenantSettings::default(), &budgets(openings), 5).unwrap_err()
    }

    #[test]
    fn the_graver_kind_wins_wherever_it_stands() {
        // Least grave at the root, so that depth alone would name it first.
        let order = [EXCEEDED, DEBT, FROZEN, CLOSED, OVER];
        assert!(matches!(refused(&order), Refusal::OverLimit { scope: 4, .. }));
        assert_eq!(refused(&order[..4]), Refusal::BudgetClosed { scope: 3 });
        assert_eq!(refused(&order[..3]), Refusal::BudgetFrozen { scope: 2 });
        assert_eq!(refused(&order[..2]), Refusal::DebtOutstanding { scope: 1, debt: 5 });
        assert!(matches!(refused(&order[..1]), Refusal::BudgetExceeded { scope: 0, .. }));
    }

    #[test]
    fn within_a_kind_the_root_is_named() {
        assert_eq!(refused(&[PLAIN, FROZEN, FROZEN]), Refusal::BudgetFrozen { scope: 1 });
    }

    #[test]
    fn a_closed_tenant_comes_before_everything() {
        let tenant = TenantSettings { status: TenantStatus::Closed, ..TenantSettings::default() };
        assert_eq!(admit(&tenant, &budgets(&[OVER]), 5), Err(Refusal::TenantClosed));
        assert_eq!(admit(&tenant, &Budgets::default(), 5), Err(Refusal::TenantClosed));
    }

    #[test]
    fn debt_blocks_without_a_limit_and_beyond_it() {
        let owing = |debt, overdraft_limit| Opening { debt, overdraft_limit, ..PLAIN };
        let tenant = TenantSettings::default();
        assert_eq!(admit(&tenant, &budgets(&[owing(5, 5)]), 5), Ok(()));
        assert_eq!(refused(&[owing(5, 0)]), Refusal::DebtOutstanding { scope: 0, debt: 5 });
        assert_eq!(refused(&[owing(6, 5)]), Refusal::OverLimit { scope: 0, debt: 6, limit: 5 });
        let both = Opening { is_over_limit: true, ..owing(5, 0) };
        assert_eq!(refused(&[both]), Refusal::OverLimit { scope: 0, debt: 5, limit: 0 });
    }

    #[test]
    fn the_first_scope_with_other_units_is_named() {
        let tokens = UnitSet::default().with(Unit::Tokens);
        assert_eq!(no_budget([UnitSet::default(); 3]), Refusal::NoBudget);
        assert_eq!(
            no_budget([UnitSet::default(), tokens, tokens]),
            Refusal::NoBudgetInUnit { scope: 1, expected: tokens }
        );
    }
}
