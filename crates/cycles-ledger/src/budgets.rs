//! The snapshot that a command reads: the budgets of its scopes in one unit.

use cycles_protocol::scope::Level;

use crate::{Budget, Refusal};

/// A subject derives at most this many scopes: one per level.
pub const MAX_SCOPES: usize = Level::ALL.len();

/// The budgets of a command's scopes, root first; scopes without a budget are
/// empty. A scope's position is its index among the derived scopes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budgets([Option<Budget>; MAX_SCOPES]);

impl Budgets {
    /// The budgets of up to six scopes, root first.
    #[must_use]
    pub const fn new(scopes: [Option<Budget>; MAX_SCOPES]) -> Self {
        Self(scopes)
    }

    /// The budget at a position.
    #[must_use]
    pub fn get(&self, position: usize) -> Option<&Budget> {
        self.0.get(position)?.as_ref()
    }

    /// The budgets there are with their positions, root first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, &Budget)> {
        self.0
            .iter()
            .enumerate()
            .filter_map(|(position, budget)| Some((position, budget.as_ref()?)))
    }

    /// Which scopes have a budget.
    #[must_use]
    pub fn scopes(&self) -> ScopeSet {
        self.iter().fold(ScopeSet::default(), |set, (position, _)| set.with(position))
    }

    /// The budgets after `change`, if it allows every one.
    pub(crate) fn map(
        mut self,
        mut change: impl FnMut(usize, Budget) -> Result<Budget, Refusal>,
    ) -> Result<Self, Refusal> {
        for (position, slot) in self.0.iter_mut().enumerate() {
            if let Some(budget) = slot {
                *budget = change(position, *budget)?;
            }
        }
        Ok(self)
    }
}

/// Which of a subject's scopes had a budget when a reservation was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScopeSet(u8);

impl ScopeSet {
    /// The same set and `position`.
    #[must_use]
    pub const fn with(self, position: usize) -> Self {
        Self(self.0 | 1 << position)
    }

    /// Whether `position` is in the set.
    #[must_use]
    pub const fn contains(self, position: usize) -> bool {
        self.0 & 1 << position != 0
    }

    /// One bit a position, the first one lowest.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// The set that has these [`bits`](Self::bits).
    #[must_use]
    pub const fn of_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// Whether no position is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Opening;

    #[test]
    fn positions_are_those_of_the_scopes() {
        let budget = Budget::open(Opening::of(1)).unwrap();
        let budgets = Budgets::new([None, Some(budget), None, None, Some(budget), None]);
        assert_eq!(budgets.iter().map(|(position, _)| position).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(budgets.scopes(), ScopeSet::default().with(1).with(4));
        assert!(budgets.scopes().contains(4) && !budgets.scopes().contains(0));
    }

    #[test]
    fn one_refusal_keeps_all_as_they_were() {
        let budget = Budget::open(Opening::of(1)).unwrap();
        let budgets = Budgets::new([Some(budget), Some(budget), None, None, None, None]);
        let result = budgets.map(|position, budget| match position {
            0 => Ok(Budget { spent: 1, ..budget }),
            _ => Err(Refusal::Overflow),
        });
        assert_eq!(result, Err(Refusal::Overflow));
        assert_eq!(budgets.get(0), Some(&budget));
    }
}
