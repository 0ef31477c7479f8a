//! One budget: the ledger of one scope in one unit.

use cycles_protocol::CommitOveragePolicy;
use cycles_protocol::control::BudgetStatus;

use crate::Refusal;

/// The ledger of one scope in one unit.
///
/// Invariant, kept by every function of this crate: the five amounts are not
/// negative and `remaining = allocated − spent − reserved − debt` fits `i64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    pub(crate) allocated: i64,
    pub(crate) spent: i64,
    pub(crate) reserved: i64,
    pub(crate) debt: i64,
    pub(crate) overdraft_limit: i64,
    pub(crate) is_over_limit: bool,
    pub(crate) status: BudgetStatus,
    pub(crate) overage_policy: Option<CommitOveragePolicy>,
}

/// Where a budget starts.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    /// The whole budget.
    pub allocated: i64,
    /// Charged already.
    pub spent: i64,
    /// Charged beyond the budget already.
    pub debt: i64,
    /// Most debt.
    pub overdraft_limit: i64,
    /// Whether new reservations are blocked until reconciled.
    pub is_over_limit: bool,
    /// Where it stands.
    pub status: BudgetStatus,
    /// Overage policy, if the budget sets one.
    pub overage_policy: Option<CommitOveragePolicy>,
}

impl Opening {
    /// An active budget of which nothing is used.
    #[must_use]
    pub const fn of(allocated: i64) -> Self {
        Self {
            allocated,
            spent: 0,
            debt: 0,
            overdraft_limit: 0,
            is_over_limit: false,
            status: BudgetStatus::Active,
            overage_policy: None,
        }
    }
}

impl Budget {
    /// A budget that holds nothing yet.
    ///
    /// # Errors
    /// [`Refusal::Overflow`] for negative amounts, or when what remains does
    /// not fit `i64`.
    pub fn open(opening: Opening) -> Result<Self, Refusal> {
        let Opening { allocated, spent, debt, overdraft_limit, is_over_limit, status, .. } =
            opening;
        if overdraft_limit < 0 {
            return Err(Refusal::Overflow);
        }
        let budget = Self {
            allocated,
            spent,
            reserved: 0,
            debt,
            overdraft_limit,
            is_over_limit,
            status,
            overage_policy: opening.overage_policy,
        };
        budget.checked()
    }

    /// A budget that was kept elsewhere, with what open reservations hold on it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn restored(opening: Opening, reserved: i64) -> Result<Self, Refusal> {
        Self { reserved, ..Self::open(opening)? }.checked()
    }

    /// The same budget, if it keeps the invariant.
    pub(crate) fn checked(self) -> Result<Self, Refusal> {
        let positive = self.allocated | self.spent | self.reserved | self.debt;
        // The sums fall from a non-negative start, so one of them overflows
        // exactly when the last one does.
        let fits = self
            .allocated
            .checked_sub(self.spent)
            .and_then(|left| left.checked_sub(self.reserved))
            .and_then(|left| left.checked_sub(self.debt));
        if positive < 0 || fits.is_none() { Err(Refusal::Overflow) } else { Ok(self) }
    }

    /// Free for new reservations; negative in overdraft.
    #[must_use]
    pub const fn remaining(&self) -> i64 {
        // Cannot overflow: see the invariant.
        self.allocated - self.spent - self.reserved - self.debt
    }

    /// What an overage can draw from: nothing, when `remaining` is negative.
    pub(crate) fn available(&self) -> i64 {
        self.remaining().max(0)
    }

    /// The whole budget.
    #[must_use]
    pub const fn allocated(&self) -> i64 {
        self.allocated
    }

    /// Charged.
    #[must_use]
    pub const fn spent(&self) -> i64 {
        self.spent
    }

    /// Held by active reservations.
    #[must_use]
    pub const fn reserved(&self) -> i64 {
        self.reserved
    }

    /// Charged beyond the budget.
    #[must_use]
    pub const fn debt(&self) -> i64 {
        self.debt
    }

    /// Most debt allowed.
    #[must_use]
    pub const fn overdraft_limit(&self) -> i64 {
        self.overdraft_limit
    }

    /// Whether new reservations are blocked until reconciled.
    #[must_use]
    pub const fn is_over_limit(&self) -> bool {
        self.is_over_limit
    }

    /// Where it stands.
    #[must_use]
    pub const fn status(&self) -> BudgetStatus {
        self.status
    }

    /// Overage policy, if the budget sets one.
    #[must_use]
    pub const fn overage_policy(&self) -> Option<CommitOveragePolicy> {
        self.overage_policy
    }

    /// Whether at least `percent` of it is charged, held or owed. Nothing of an
    /// empty budget is left, so it is used in full.
    #[must_use]
    pub fn is_used_to(&self, percent: u8) -> bool {
        let used = i128::from(self.spent) + i128::from(self.reserved) + i128::from(self.debt);
        used * 100 >= i128::from(percent) * i128::from(self.allocated)
    }

    /// The same budget, frozen (`true`) or active again (`false`).
    ///
    /// # Errors
    /// [`Refusal::Status`] when it is so already, or closed.
    pub fn frozen(self, frozen: bool) -> Result<Self, Refusal> {
        match (self.status, frozen) {
            (BudgetStatus::Active, true) => Ok(Self { status: BudgetStatus::Frozen, ..self }),
            (BudgetStatus::Frozen, false) => Ok(Self { status: BudgetStatus::Active, ..self }),
            (status, _) => Err(Refusal::Status { status }),
        }
    }

    /// Gives a hold back.
    pub(crate) fn give_back(self, amount: i64) -> Result<Self, Refusal> {
        match self.reserved.checked_sub(amount) {
            Some(reserved) if reserved >= 0 => Ok(Self { reserved, ..self }),
            // More than is held can only come from a damaged store.
            _ => Err(Refusal::Inconsistent),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_that_do_not_fit_are_refused() {
        let full = Opening { spent: i64::MAX, ..Opening::of(0) };
        assert!(Budget::open(full).is_ok());
        assert_eq!(Budget::open(Opening { debt: 2, ..full }), Err(Refusal::Overflow));
        assert_eq!(Budget::open(Opening::of(-1)), Err(Refusal::Overflow));
        assert_eq!(
            Budget::open(Opening { overdraft_limit: -1, ..Opening::of(1) }),
            Err(Refusal::Overflow)
        );
    }

    #[test]
    fn remaining_is_what_the_four_amounts_leave() {
        let budget = Budget::open(Opening { spent: 30, debt: 5, ..Opening::of(100) }).unwrap();
        assert_eq!(budget.remaining(), 65);
    }

    #[test]
    fn freezing_twice_is_refused_and_closed_is_for_good() {
        let budget = Budget::open(Opening::of(1)).unwrap();
        let frozen = budget.frozen(true).unwrap();
        assert_eq!(frozen.frozen(true), Err(Refusal::Status { status: BudgetStatus::Frozen }));
        assert_eq!(frozen.frozen(false), Ok(budget));
        let closed = Opening { status: BudgetStatus::Closed, ..Opening::of(1) };
        assert!(Budget::open(closed).unwrap().frozen(false).is_err());
    }
}
