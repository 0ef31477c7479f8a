//! What builder setters accept beside the field's own type, so that callers
//! need no conversion.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use serde_json::Value;

use crate::JsonMap;

/// A number of milliseconds in whichever integer the caller has it. One that the
/// wire cannot carry becomes the largest that it can, which validation refuses.
pub trait IntoMillis {
    /// The number as it stands on the wire.
    fn into_millis(self) -> i64;
}

macro_rules! into_millis {
    ($($from:ty),+) => {$(
        impl IntoMillis for $from {
            fn into_millis(self) -> i64 {
                i64::try_from(self).unwrap_or(i64::MAX)
            }
        }
    )+};
}

// `i32` is what a bare literal is.
into_millis!(i32, u32, i64, u64);

/// A JSON object, or what can be made one.
pub trait IntoJsonMap {
    /// The object. The wire has only objects here: a value that is none is kept
    /// under the key `value`, and `null` is the empty object.
    fn into_json_map(self) -> JsonMap;
}

impl IntoJsonMap for JsonMap {
    fn into_json_map(self) -> JsonMap {
        self
    }
}

impl IntoJsonMap for Value {
    fn into_json_map(self) -> JsonMap {
        match self {
            Self::Object(map) => map,
            Self::Null => JsonMap::new(),
            other => JsonMap::from_iter([("value".to_owned(), other)]),
        }
    }
}

impl<S: BuildHasher> IntoJsonMap for HashMap<String, Value, S> {
    fn into_json_map(self) -> JsonMap {
        self.into_iter().collect()
    }
}

impl IntoJsonMap for BTreeMap<String, Value> {
    fn into_json_map(self) -> JsonMap {
        self.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn milliseconds_beyond_the_wire_are_the_largest() {
        assert_eq!(u64::MAX.into_millis(), i64::MAX);
        assert_eq!(30_000_u64.into_millis(), 30_000);
        assert_eq!((-1_i64).into_millis(), -1);
    }

    #[test]
    fn metadata_is_always_an_object() {
        for (given, kept) in [
            (json!({"a": 1}), json!({"a": 1})),
            (json!(null), json!({})),
            (json!([1]), json!({"value": [1]})),
            (json!("text"), json!({"value": "text"})),
        ] {
            assert_eq!(Value::from(given.into_json_map()), kept);
        }
    }
}
