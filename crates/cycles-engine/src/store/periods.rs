//! The periods of a budget, and what they do to its amounts as time goes on.

use cycles_ledger::{Budget, period};
use cycles_protocol::Error;
use cycles_protocol::control::BudgetPeriod;
use cycles_protocol::strict::Validate;

use serde::{Deserialize, Serialize};

use crate::calendar::{Calendar, DateUnit, Period, zone};

/// A budget's periods. Of these, only `granted` and the current period change.
#[derive(Debug, Clone)]
pub(crate) struct Periods {
    /// As it was asked for.
    pub(crate) asked: BudgetPeriod,
    /// What each period starts with.
    pub(crate) granted: i64,
    /// The period that the amounts are of.
    pub(crate) current: Period,
    calendar: Calendar,
}

/// A budget's periods as a store keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPeriods {
    asked: BudgetPeriod,
    granted: i64,
    number: i64,
    start: i64,
    end: i64,
}

impl Periods {
    pub(crate) fn kept(&self) -> KeptPeriods {
        let Period { number, start, end } = self.current;
        KeptPeriods { asked: self.asked.clone(), granted: self.granted, number, start, end }
    }

    /// Periods that a store kept.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(crate) fn restored(kept: KeptPeriods) -> Result<Self, Error> {
        let KeptPeriods { asked, granted, number, start, end } = kept;
        // Rolling periods are counted from the first one, which need not be kept.
        let length_ms = asked.length_ms.unwrap_or(0);
        let anchor = start.saturating_sub(number.saturating_mul(length_ms));
        let mut periods = Self::new(asked, granted, anchor)?;
        periods.current = Period { number, start, end };
        Ok(periods)
    }

    /// Periods from `now` on. A rolling one starts now, a calendar one has begun.
    ///
    /// # Errors
    /// `INVALID_REQUEST` naming the field that is wrong.
    pub(crate) fn new(asked: BudgetPeriod, granted: i64, now: i64) -> Result<Self, Error> {
        asked.validate()?;
        let calendar = match DateUnit::of(asked.every) {
            Some(unit) => Calendar::Dates(unit, zone(asked.time_zone.as_deref().unwrap_or("UTC"))?),
            None => {
                Calendar::Rolling { anchor: now, length_ms: asked.length_ms.unwrap_or(i64::MAX) }
            }
        };
        let current =
            calendar.at(now).ok_or_else(|| Error::internal("the clock is beyond the calendar"))?;
        Ok(Self { asked, granted, current, calendar })
    }

    /// The periods and the budget at `now`, if another period has begun. A clock
    /// that went back changes nothing.
    pub(crate) fn roll(&self, budget: Budget, now: i64) -> Option<(Period, Budget)> {
        if now < self.current.end {
            return None;
        }
        let current = self.calendar.at(now)?;
        let passed = u64::try_from(current.number - self.current.number).ok()?;
        let budget = period::roll(budget, self.asked.rollover(), self.granted, passed);
        Some((current, budget))
    }
}
