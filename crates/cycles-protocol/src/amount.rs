//! Amounts: integers in one of four units. Never a float.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::wire::wire_enum;

wire_enum! {
    /// What an amount counts (spec: `UnitEnum`).
    Unit {
        /// 10⁻⁸ US dollars: $1.00 is 100,000,000.
        UsdMicrocents = "USD_MICROCENTS",
        /// Model tokens.
        Tokens = "TOKENS",
        /// Generic credits.
        Credits = "CREDITS",
        /// Points of risk.
        RiskPoints = "RISK_POINTS",
    }
}

/// How many `USD_MICROCENTS` one US dollar is (spec: `UnitEnum`).
pub const MICROCENTS_PER_USD: i64 = 100_000_000;

/// A non-negative amount in a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Amount {
    /// What is counted.
    pub unit: Unit,
    /// How much; 0 to `i64::MAX`.
    pub amount: i64,
}

/// An amount that may be negative, as `remaining` is in overdraft.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SignedAmount {
    /// What is counted.
    pub unit: Unit,
    /// How much.
    pub amount: i64,
}

impl Amount {
    /// An amount in `unit`.
    #[must_use]
    pub const fn new(unit: Unit, amount: i64) -> Self {
        Self { unit, amount }
    }

    /// 10⁻⁸ US dollars.
    #[must_use]
    pub const fn usd_microcents(amount: i64) -> Self {
        Self::new(Unit::UsdMicrocents, amount)
    }

    /// Model tokens.
    #[must_use]
    pub const fn tokens(amount: i64) -> Self {
        Self::new(Unit::Tokens, amount)
    }

    /// Generic credits.
    #[must_use]
    pub const fn credits(amount: i64) -> Self {
        Self::new(Unit::Credits, amount)
    }

    /// Points of risk.
    #[must_use]
    pub const fn risk_points(amount: i64) -> Self {
        Self::new(Unit::RiskPoints, amount)
    }

    /// Reads US dollars from decimal text, exactly: `Amount::usd("0.02")`.
    ///
    /// # Errors
    /// Kind `Invalid` for anything but digits with at most eight decimals, or
    /// above $92,233,720,368.54775807.
    ///
    /// ```
    /// use cycles_protocol::Amount;
    /// assert_eq!(Amount::usd("0.02").unwrap(), Amount::usd_microcents(2_000_000));
    /// assert!(Amount::usd("0.000000001").is_err());
    /// ```
    pub fn usd(text: &str) -> Result<Self, Error> {
        parse_usd(text).map(Self::usd_microcents).ok_or_else(|| {
            Error::invalid(format!(
                "not an amount of US dollars; write digits with at most 8 decimals, like 0.02 value={text:?}"
            ))
        })
    }
}

fn parse_usd(text: &str) -> Option<i64> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(decimals) || decimals.len() > 8 {
        return None;
    }
    let whole: i64 = whole.parse().ok()?;
    let fraction: i64 = format!("{decimals:0<8}").parse().ok()?;
    whole.checked_mul(MICROCENTS_PER_USD)?.checked_add(fraction)
}

impl SignedAmount {
    /// An amount in `unit`.
    #[must_use]
    pub const fn new(unit: Unit, amount: i64) -> Self {
        Self { unit, amount }
    }

    /// 10⁻⁸ US dollars.
    #[must_use]
    pub const fn usd_microcents(amount: i64) -> Self {
        Self::new(Unit::UsdMicrocents, amount)
    }

    /// Model tokens.
    #[must_use]
    pub const fn tokens(amount: i64) -> Self {
        Self::new(Unit::Tokens, amount)
    }

    /// Generic credits.
    #[must_use]
    pub const fn credits(amount: i64) -> Self {
        Self::new(Unit::Credits, amount)
    }

    /// Points of risk.
    #[must_use]
    pub const fn risk_points(amount: i64) -> Self {
        Self::new(Unit::RiskPoints, amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_exact() {
        for (text, microcents) in [
            ("1", 100_000_000),
            ("1.00", 100_000_000),
            ("0.01", 1_000_000),
            ("0.00000001", 1),
            ("92233720368.54775807", i64::MAX),
        ] {
            assert_eq!(Amount::usd(text).unwrap().amount, microcents, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "0.123456789",
            "92233720368.54775808",
            "$1",
            " 1",
        ] {
            assert!(Amount::usd(text).is_err(), "{text:?}");
        }
    }
}
