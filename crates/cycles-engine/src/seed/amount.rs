//! Amounts of a seed.

use std::fmt;

use cycles_protocol::{Amount, Unit};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// An amount in a seed: an integer in the budget's unit, or exact dollars.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeedAmount {
    /// In the budget's unit.
    Units(i64),
    /// Like `$1.00`; only for `USD_MICROCENTS`. Kept without the sign.
    Dollars(String),
}

impl SeedAmount {
    /// The amount in `unit`.
    ///
    /// # Errors
    /// Says why it is none.
    pub fn in_unit(&self, unit: Unit) -> Result<i64, String> {
        match (self, unit) {
            (Self::Units(amount), _) => Ok(*amount),
            (Self::Dollars(text), Unit::UsdMicrocents) => {
                Amount::usd(text).map(|amount| amount.amount).map_err(|e| e.message().to_owned())
            }
            (Self::Dollars(text), _) => {
                Err(format!("dollars are only for USD_MICROCENTS amount=${text} unit={unit}"))
            }
        }
    }
}

impl From<i64> for SeedAmount {
    fn from(amount: i64) -> Self {
        Self::Units(amount)
    }
}

impl Serialize for SeedAmount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Units(amount) => serializer.serialize_i64(*amount),
            Self::Dollars(text) => serializer.serialize_str(&format!("${text}")),
        }
    }
}

impl<'de> Deserialize<'de> for SeedAmount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountVisitor;
        impl Visitor<'_> for AmountVisitor {
            type Value = SeedAmount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer from 0 to 9223372036854775807, or dollars like $1.00")
            }

            fn visit_i64<E: de::Error>(self, amount: i64) -> Result<SeedAmount, E> {
                if amount < 0 {
                    return Err(E::invalid_value(de::Unexpected::Signed(amount), &self));
                }
                Ok(SeedAmount::Units(amount))
            }

            fn visit_u64<E: de::Error>(self, amount: u64) -> Result<SeedAmount, E> {
                i64::try_from(amount)
                    .map(SeedAmount::Units)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(amount), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SeedAmount, E> {
                text.strip_prefix('$')
                    .filter(|dollars| Amount::usd(dollars).is_ok())
                    .map(|dollars| SeedAmount::Dollars(dollars.to_owned()))
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(AmountVisitor)
    }
}
