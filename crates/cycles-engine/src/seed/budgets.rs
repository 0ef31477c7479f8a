//! The budgets of a seed: a list, or for short each scope with its amount.

use std::fmt;

use cycles_protocol::Amount;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{self, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{SeedAmount, SeedBudget};

/// Reads either form.
pub(super) fn read<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<SeedBudget>, D::Error> {
    struct Budgets;
    impl<'de> Visitor<'de> for Budgets {
        type Value = Vec<SeedBudget>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of budgets, or scopes with their amounts like tenant:acme: $5.00")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(list))
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut budgets = Vec::new();
            while let Some(scope) = map.next_key::<String>()? {
                map.next_value_seed(Allocated { scope: &scope, budgets: &mut budgets })?;
            }
            Ok(budgets)
        }
    }
    deserializer.deserialize_any(Budgets)
}

/// What `scope` is allocated: an amount, or several in different units.
struct Allocated<'a> {
    scope: &'a str,
    budgets: &'a mut Vec<SeedBudget>,
}

/// The protocol's amount, as every language's own writes itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    unit: cycles_protocol::Unit,
    amount: SeedAmount,
}

impl<'de> DeserializeSeed<'de> for Allocated<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Allocated<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "an amount with its unit, like \"$5.00\", \"1000 TOKENS\" or {{unit: TOKENS, amount: 1000}}, or a list of them scope={:?}",
            self.scope
        )
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        let Ok(amount) = text.parse::<Amount>() else {
            return Err(E::invalid_value(de::Unexpected::Str(text), &self));
        };
        self.budgets.push(SeedBudget::new(self.scope, amount.unit, amount.amount));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        let written = Written::deserialize(MapAccessDeserializer::new(map)).map_err(|error| {
            A::Error::custom(format_args!("no amount ({error}) scope={:?}", self.scope))
        })?;
        self.budgets.push(SeedBudget::new(self.scope, written.unit, written.amount));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let Allocated { scope, budgets } = &mut self;
        let mut length = 0;
        while list.next_element_seed(Allocated { scope, budgets })?.is_some() {
            length += 1;
        }
        if length == 0 { Err(A::Error::invalid_length(0, &self)) } else { Ok(()) }
    }
}
