//! Budget periods: an extension, since the spec's closed bodies have no calendar.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode};
use crate::strict::{self, Validate};
use crate::wire::wire_enum;

wire_enum! {
    /// What happens to what is left when a period ends (governance spec:
    /// `rollover_policy`).
    RolloverPolicy {
        /// It is gone.
        None = "NONE",
        /// The next period has it too.
        CarryForward = "CARRY_FORWARD",
        /// The next period has of it as much as one period is granted.
        CapAtAllocated = "CAP_AT_ALLOCATED",
    }
}

wire_enum! {
    /// How long a period is.
    PeriodLength {
        /// From midnight to midnight.
        Day = "DAY",
        /// From Monday to Monday.
        Week = "WEEK",
        /// From the first of a month to the next.
        Month = "MONTH",
        /// So many milliseconds, one period after the other.
        Rolling = "ROLLING",
    }
}

/// Asks that a budget starts anew, every so often, with what is allocated to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BudgetPeriod {
    /// How long a period is.
    pub every: PeriodLength,
    /// Only with `ROLLING`: its length, an hour to ten years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length_ms: Option<i64>,
    /// An IANA name, like `Europe/Berlin`; `UTC` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// What happens to what is left; `NONE` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollover_policy: Option<RolloverPolicy>,
}

impl BudgetPeriod {
    /// Shortest and longest rolling period.
    pub const LENGTH_MS: std::ops::RangeInclusive<i64> = 3_600_000..=315_360_000_000;

    /// A calendar period in UTC, of which nothing is carried over.
    #[must_use]
    pub const fn new(every: PeriodLength) -> Self {
        Self { every, length_ms: None, time_zone: None, rollover_policy: None }
    }

    /// What happens to what is left.
    #[must_use]
    pub fn rollover(&self) -> RolloverPolicy {
        self.rollover_policy.unwrap_or(RolloverPolicy::None)
    }
}

impl Validate for BudgetPeriod {
    fn validate(&self) -> Result<(), Error> {
        strict::known("every", Some(self.every), PeriodLength::Unknown)?;
        strict::known("rollover_policy", self.rollover_policy, RolloverPolicy::Unknown)?;
        strict::length("time_zone", self.time_zone.as_deref(), 1, 64)?;
        let rolls = self.every == PeriodLength::Rolling;
        if rolls != self.length_ms.is_some() {
            return Err(Error::new(
                ErrorCode::InvalidRequest,
                "goes with every=ROLLING, and with nothing else field=length_ms",
            ));
        }
        strict::range("length_ms", self.length_ms, &Self::LENGTH_MS)
    }
}
