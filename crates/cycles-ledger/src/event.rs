//! Charging at once, without a hold.

use cycles_protocol::CommitOveragePolicy;

use crate::{Budgets, Refusal, TenantSettings, Terms, admission, overage, policy};

/// The budgets after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    /// After.
    pub budgets: Budgets,
    /// What was charged; less than the actual where it was capped.
    pub charged: i64,
}

/// Charges `actual` on every budget there is. Closed and frozen budgets refuse;
/// debt and the over-limit flag do not, for the work already happened and the
/// overage policy decides (semantics 2.3).
///
/// # Errors
/// In this order: tenant, no budget at all, closed, frozen, overage policy.
pub fn apply(
    tenant: &TenantSettings,
    terms: &Terms,
    budgets: &Budgets,
    request: Option<CommitOveragePolicy>,
    actual: i64,
) -> Result<Applied, Refusal> {
    tenant.admits_new_work()?;
    if budgets.scopes().is_empty() {
        return Err(Refusal::NoBudget);
    }
    admission::refuse_closed_or_frozen(budgets)?;
    let policy = policy::overage(request, terms, budgets, tenant);
    let charge = overage::charge(budgets, policy, None, actual)?;
    Ok(Applied { budgets: charge.budgets, charged: charge.charged })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Opening;
    use crate::fixtures;
    use cycles_protocol::control::BudgetStatus;

    #[test]
    fn it_still_applies_at_zero_and_over_limit() {
        let tenant = TenantSettings::default();
        let first =
            apply(&tenant, &Terms::default(), &fixtures::budgets(&[Opening::of(100)]), None, 150)
                .unwrap();
        assert_eq!(first.charged, 100);
        let second = apply(&tenant, &Terms::default(), &first.budgets, None, 10).unwrap();
        assert_eq!((second.charged, second.budgets), (0, first.budgets));
    }

    #[test]
    fn frozen_refuses() {
        let frozen = Opening { status: BudgetStatus::Frozen, ..Opening::of(100) };
        let budgets = fixtures::budgets(&[Opening::of(100), frozen]);
        assert_eq!(
            apply(&TenantSettings::default(), &Terms::default(), &budgets, None, 1),
            Err(Refusal::BudgetFrozen { scope: 1 })
        );
    }
}
