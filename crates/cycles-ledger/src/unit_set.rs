//! Which units a scope has budgets in.

use cycles_protocol::Unit;

/// A set of units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UnitSet(u8);

impl UnitSet {
    /// The same set and `unit`.
    #[must_use]
    pub fn with(self, unit: Unit) -> Self {
        Self(self.0 | bit(unit))
    }

    /// Whether `unit` is in the set.
    #[must_use]
    pub fn contains(self, unit: Unit) -> bool {
        self.0 & bit(unit) != 0
    }

    /// Whether no unit is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The units, in the spec's order.
    pub fn iter(self) -> impl Iterator<Item = Unit> {
        Unit::ALL.iter().copied().filter(move |unit| self.contains(*unit))
    }
}

fn bit(unit: Unit) -> u8 {
    Unit::ALL.iter().position(|known| *known == unit).map_or(0, |index| 1 << index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_come_in_the_specs_order() {
        let set = UnitSet::default().with(Unit::RiskPoints).with(Unit::UsdMicrocents);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Unit::UsdMicrocents, Unit::RiskPoints]);
        assert!(!set.contains(Unit::Tokens) && !set.contains(Unit::Unknown));
    }
}
