//! Amounts as people write and read them.

use std::str::FromStr;

use cycles_protocol::amount::MICROCENTS_PER_USD;
use cycles_protocol::{Amount, Unit};

/// An amount in an argument: `5`, `$5.00`, `50000 tokens`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Money(pub(crate) Amount);

impl FromStr for Money {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let dollars = Amount::usd(&text.trim().replace('_', ""));
        dollars.or_else(|_| text.parse()).map(Self).map_err(|error| error.message().to_owned())
    }
}

/// A unit in an argument, in any case.
pub(crate) fn parse_unit(text: &str) -> Result<Unit, String> {
    match Unit::parse(&text.to_ascii_uppercase()) {
        Unit::Unknown => Err("must be USD_MICROCENTS, TOKENS, CREDITS or RISK_POINTS".to_owned()),
        unit => Ok(unit),
    }
}

/// An amount for a table: `$5.00`, `50000 TOKENS`. Nothing is rounded.
pub(crate) fn shown(amount: i64, unit: Unit) -> String {
    if unit != Unit::UsdMicrocents {
        return format!("{amount} {unit}");
    }
    let (sign, amount) = (if amount < 0 { "-" } else { "" }, amount.unsigned_abs());
    let per_usd = MICROCENTS_PER_USD.unsigned_abs();
    let decimals = format!("{:08}", amount % per_usd);
    let decimals = decimals.trim_end_matches('0');
    format!("{sign}${}.{decimals:0<2}", amount / per_usd)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_and_units_are_read_exactly() {
        for (text, expected) in [
            ("5", Amount::usd_microcents(500_000_000)),
            ("1_000.5", Amount::usd_microcents(100_050_000_000)),
            ("$0.02", Amount::usd_microcents(2_000_000)),
            ("50_000tokens", Amount::tokens(50_000)),
        ] {
            assert_eq!(text.parse(), Ok(Money(expected)), "{text}");
        }
        for bad in ["", "$", "-5", "5,00", "1.5 tokens", "1e3"] {
            assert!(bad.parse::<Money>().is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_shown_is_exact() {
        let usd = |amount| shown(amount, Unit::UsdMicrocents);
        assert_eq!(usd(500_000_000), "$5.00");
        assert_eq!(usd(-2_500_001), "-$0.02500001");
        assert_eq!(usd(i64::MIN), "-$92233720368.54775808");
        assert_eq!(shown(7, Unit::Tokens), "7 TOKENS");
    }
}
