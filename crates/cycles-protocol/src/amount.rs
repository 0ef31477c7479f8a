//! Amounts: integers in one of four units. Never a float.

use std::str::FromStr;

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

/// Reads an amount as people write it: `$5.00`, `0.02 USD`, `50_000 tokens`.
///
/// ```
/// use cycles_protocol::Amount;
/// assert_eq!("$5.00".parse::<Amount>().unwrap(), Amount::usd_microcents(500_000_000));
/// assert_eq!("50_000 tokens".parse::<Amount>().unwrap(), Amount::tokens(50_000));
/// ```
impl FromStr for Amount {
    type Err = Error;

    /// # Errors
    /// Kind `Invalid` for anything else, a number without a unit too.
    fn from_str(text: &str) -> Result<Self, Error> {
        let trimmed = text.trim();
        let end = trimmed
            .find(|c: char| !(c.is_ascii_digit() || matches!(c, '$' | '.' | '_')))
            .unwrap_or(trimmed.len());
        let (number, unit) = (trimmed[..end].replace('_', ""), trimmed[end..].trim());
        let read = match (number.strip_prefix('$'), unit.to_ascii_uppercase().as_str()) {
            (Some(dollars), "" | "USD") => parse_usd(dollars).map(Self::usd_microcents),
            (None, "USD") => parse_usd(&number).map(Self::usd_microcents),
            (None, unit) => match Unit::parse(unit) {
                Unit::Unknown => None,
                unit => number.parse().ok().map(|amount| Self::new(unit, amount)),
            },
            _ => None,
        };
        read.ok_or_else(|| {
            Error::invalid(format!(
                "not an amount; write dollars like $0.02, or an integer with its unit, like \"50000 tokens\", \"3 credits\" or \"2000000 usd_microcents\" value={text:?}"
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
    fn amounts_are_read_as_people_write_them() {
        for (text, expected) in [
            ("$0.02", Amount::usd_microcents(2_000_000)),
            (" $5 usd ", Amount::usd_microcents(500_000_000)),
            ("1.5 usd", Amount::usd_microcents(150_000_000)),
            ("50_000tokens", Amount::tokens(50_000)),
            ("3 CREDITS", Amount::credits(3)),
            ("7 risk_points", Amount::risk_points(7)),
            ("12 usd_microcents", Amount::usd_microcents(12)),
        ] {
            assert_eq!(text.parse::<Amount>().unwrap(), expected, "{text}");
        }
        for text in
            ["", "5", "$", "$5 tokens", "-5 tokens", "5,00 usd", "1.5 tokens", "5 euros", "tokens"]
        {
            assert!(text.parse::<Amount>().is_err(), "{text:?}");
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
