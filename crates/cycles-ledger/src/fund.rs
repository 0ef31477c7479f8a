//! Changing a budget's money.

use cycles_protocol::control::{BudgetStatus, FundingOperation};

use crate::{Budget, Refusal, TenantSettings};

/// How a budget's money changes.
#[derive(Debug, Clone, Copy)]
pub struct Funding {
    /// How.
    pub operation: FundingOperation,
    /// How much; not negative.
    pub amount: i64,
    /// Only with `RESET_SPENT`: the new `spent`; 0 unless given.
    pub spent: Option<i64>,
}

/// The budget after. Every operation recomputes `is_over_limit`, and so clears
/// a flag that a capped charge left (decision: "Funding").
///
/// # Errors
/// In this order: tenant closed, budget closed, frozen, a debit that takes more
/// than remains, [`Refusal::Overflow`].
pub fn fund(tenant: &TenantSettings, budget: Budget, funding: &Funding) -> Result<Budget, Refusal> {
    tenant.settles()?;
    match budget.status {
        BudgetStatus::Active => {}
        BudgetStatus::Closed => return Err(Refusal::BudgetClosed { scope: 0 }),
        BudgetStatus::Frozen => return Err(Refusal::BudgetFrozen { scope: 0 }),
        _ => return Err(Refusal::Inconsistent),
    }
    if funding.amount < 0 {
        return Err(Refusal::Overflow);
    }
    let changed = change(budget, funding)?;
    let is_over_limit = changed.debt > changed.overdraft_limit;
    Budget { is_over_limit, ..changed }.checked()
}

fn change(budget: Budget, funding: &Funding) -> Result<Budget, Refusal> {
    let amount = funding.amount;
    let credited = |amount| {
        let allocated = budget.allocated.checked_add(amount).ok_or(Refusal::Overflow)?;
        Ok(Budget { allocated, ..budget })
    };
    match funding.operation {
        FundingOperation::Credit => credited(amount),
        FundingOperation::Debit if budget.remaining() < amount => Err(Refusal::BudgetExceeded {
            scope: 0,
            requested: amount,
            remaining: budget.remaining(),
        }),
        FundingOperation::Debit => Ok(Budget { allocated: budget.allocated - amount, ..budget }),
        FundingOperation::Reset => Ok(Budget { allocated: amount, ..budget }),
        FundingOperation::ResetSpent => {
            Ok(Budget { allocated: amount, spent: funding.spent.unwrap_or(0), ..budget })
        }
        FundingOperation::RepayDebt => {
            let paid = amount.min(budget.debt);
            Ok(Budget { debt: budget.debt - paid, ..credited(amount - paid)? })
        }
        _ => Err(Refusal::Inconsistent),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Opening;

    fn funded(
        opening: Opening,
        operation: FundingOperation,
        amount: i64,
    ) -> Result<Budget, Refusal> {
        let budget = Budget::open(opening).unwrap();
        fund(&TenantSettings::default(), budget, &Funding { operation, amount, spent: None })
    }

    const USED: Opening =
        Opening { spent: 300, debt: 50, is_over_limit: true, ..Opening::of(1000) };

    #[test]
    fn credit_leaves_debt_alone_and_repayment_pays_it() {
        let credited = funded(USED, FundingOperation::Credit, 100).unwrap();
        assert_eq!((credited.allocated, credited.debt, credited.remaining()), (1100, 50, 750));
        assert!(credited.is_over_limit, "debt above a limit of none");
        let repaid = funded(USED, FundingOperation::RepayDebt, 80).unwrap();
        assert_eq!((repaid.allocated, repaid.debt, repaid.remaining()), (1030, 0, 730));
        assert!(!repaid.is_over_limit);
    }

    #[test]
    fn a_debit_takes_at_most_what_remains() {
        assert_eq!(funded(USED, FundingOperation::Debit, 650).unwrap().remaining(), 0);
        assert!(matches!(
            funded(USED, FundingOperation::Debit, 651),
            Err(Refusal::BudgetExceeded { requested: 651, remaining: 650, .. })
        ));
    }

    #[test]
    fn resets_keep_reserved_and_debt() {
        let reset = funded(USED, FundingOperation::Reset, 200).unwrap();
        assert_eq!((reset.spent, reset.debt, reset.remaining()), (300, 50, -150));
        let period = funded(USED, FundingOperation::ResetSpent, 200).unwrap();
        assert_eq!((period.spent, period.debt, period.remaining()), (0, 50, 150));
    }

    #[test]
    fn overflow_and_frozen_are_refused() {
        assert_eq!(funded(USED, FundingOperation::Credit, i64::MAX), Err(Refusal::Overflow));
        let frozen = Opening { status: BudgetStatus::Frozen, ..USED };
        assert_eq!(
            funded(frozen, FundingOperation::Credit, 1),
            Err(Refusal::BudgetFrozen { scope: 0 })
        );
    }

    #[test]
    fn funding_clears_the_flag_of_a_capped_charge() {
        let capped = Opening { is_over_limit: true, ..Opening::of(10) };
        assert!(!funded(capped, FundingOperation::Credit, 1).unwrap().is_over_limit);
    }
}
