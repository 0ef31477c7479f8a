//! The budgets that an answer showed, kept small: every open reservation and
//! every settlement has one, so that a replay shows the same.

use cycles_ledger::{Budget, Budgets};

/// The amounts of one budget at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amounts {
    /// The whole budget.
    pub allocated: i64,
    /// Charged.
    pub spent: i64,
    /// Held by open reservations.
    pub reserved: i64,
    /// Charged beyond the budget.
    pub debt: i64,
    /// Most debt allowed.
    pub overdraft_limit: i64,
    /// Whether new reservations are blocked until reconciled.
    pub is_over_limit: bool,
}

impl Amounts {
    /// Free for new reservations; negative in overdraft.
    #[must_use]
    pub const fn remaining(&self) -> i64 {
        // Cannot overflow: they were a budget's, which keeps this invariant.
        self.allocated - self.spent - self.reserved - self.debt
    }
}

impl From<&Budget> for Amounts {
    fn from(budget: &Budget) -> Self {
        Self {
            allocated: budget.allocated(),
            spent: budget.spent(),
            reserved: budget.reserved(),
            debt: budget.debt(),
            overdraft_limit: budget.overdraft_limit(),
            is_over_limit: budget.is_over_limit(),
        }
    }
}

/// Amounts of up to six budgets, root first. Most amounts are small, so each is
/// written in as many bytes as it needs (LEB128).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot(Box<[u8]>);

/// Six budgets of five amounts of at most ten bytes, and a flag each.
const LONGEST: usize = 6 * (5 * 10 + 1);

impl Snapshot {
    /// What [`as_bytes`](Self::as_bytes) gave.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// All of it, as it is kept.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The budgets there are, in the order of their scopes.
    pub(crate) fn of(budgets: &Budgets) -> Self {
        let (mut bytes, mut length) = ([0; LONGEST], 0);
        let mut push = |byte| {
            bytes[length] = byte;
            length += 1;
        };
        for (_, budget) in budgets.iter() {
            let Amounts { allocated, spent, reserved, debt, overdraft_limit, is_over_limit } =
                budget.into();
            for amount in [allocated, spent, reserved, debt, overdraft_limit] {
                // A budget's amounts are never negative.
                let mut rest = amount.unsigned_abs();
                while rest >= 0x80 {
                    push(rest.to_le_bytes()[0] | 0x80);
                    rest >>= 7;
                }
                push(rest.to_le_bytes()[0]);
            }
            push(u8::from(is_over_limit));
        }
        Self(bytes[..length].into())
    }

    /// What was taken, root first.
    pub fn iter(&self) -> impl Iterator<Item = Amounts> {
        let mut bytes = self.0.iter().copied();
        std::iter::from_fn(move || {
            Some(Amounts {
                allocated: amount(&mut bytes)?,
                spent: amount(&mut bytes)?,
                reserved: amount(&mut bytes)?,
                debt: amount(&mut bytes)?,
                overdraft_limit: amount(&mut bytes)?,
                is_over_limit: bytes.next()? != 0,
            })
        })
    }
}

fn amount(bytes: &mut impl Iterator<Item = u8>) -> Option<i64> {
    let (mut amount, mut shift) = (0_i64, 0);
    loop {
        let byte = bytes.next()?;
        amount |= i64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(amount);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cycles_ledger::budget::Opening;
    use proptest::prelude::*;

    fn opening() -> impl Strategy<Value = Opening> {
        let amount = prop_oneof![0..300_i64, 0..=i64::MAX / 4, Just(i64::MAX / 4)];
        (amount.clone(), amount.clone(), amount.clone(), amount, any::<bool>()).prop_map(
            |(allocated, spent, debt, overdraft_limit, is_over_limit)| Opening {
                spent,
                debt,
                overdraft_limit,
                is_over_limit,
                ..Opening::of(allocated)
            },
        )
    }

    proptest! {
        #[test]
        fn what_was_taken_comes_back(openings in prop::collection::vec(opening(), 0..=6)) {
            let mut scopes = [None; 6];
            for (scope, opening) in scopes.iter_mut().zip(openings) {
                *scope = Budget::open(opening).ok();
            }
            let budgets = Budgets::new(scopes);
            let expected: Vec<Amounts> = budgets.iter().map(|(_, budget)| budget.into()).collect();
            let taken: Vec<_> = Snapshot::of(&budgets).iter().collect();
            prop_assert_eq!(taken, expected);
        }
    }

    #[test]
    fn the_largest_fit() {
        let full = Opening {
            spent: i64::MAX,
            overdraft_limit: i64::MAX,
            is_over_limit: true,
            ..Opening::of(i64::MAX)
        };
        let budgets = Budgets::new([Budget::open(full).ok(); 6]);
        assert_eq!(Snapshot::of(&budgets).iter().map(|it| it.remaining()).sum::<i64>(), 0);
    }
}
