//! Canonical JSON for comparing payloads (RFC 8785 ordering and escaping;
//! integers are printed exactly, where the RFC would round them above 2⁵³).

mod writer;

use std::cell::RefCell;

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use writer::Writer;

/// Version of the form below; stored hashes of another version never match.
const VERSION: &[u8] = b"cycles-canonical-v1\n";

/// The SHA-256 that tells two payloads apart.
pub type PayloadHash = [u8; 32];

/// Hashes a request's canonical form (spec: IDEMPOTENCY).
///
/// # Panics
/// Never for the request types of this crate: they hold only strings, integers
/// and JSON values.
pub fn payload_hash(request: &impl Serialize) -> PayloadHash {
    payload_hash_with(request, [])
}

/// As [`payload_hash`], with what is meant where the request leaves a member out.
///
/// # Panics
/// As there.
pub fn payload_hash_with<const N: usize>(
    request: &impl Serialize,
    defaults: [(&'static str, Value); N],
) -> PayloadHash {
    written(request, defaults, |text| {
        Sha256::new().chain_update(VERSION).chain_update(text).finalize().into()
    })
}

/// The canonical text of a JSON value.
///
/// # Panics
/// Never.
#[must_use]
pub fn to_string(value: &Value) -> String {
    written(value, [], |text| String::from_utf8(text.to_vec()).expect("JSON is text"))
}

thread_local! {
    static WRITER: RefCell<Writer> = RefCell::new(Writer::new());
}

fn written<const N: usize, T>(
    value: &impl Serialize,
    defaults: [(&'static str, Value); N],
    read: impl FnOnce(&[u8]) -> T,
) -> T {
    WRITER.with_borrow_mut(|writer| {
        let read = read(writer.write(value, defaults));
        writer.shrink();
        read
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rfc_8785_section_3_2_3_ordering_and_numbers() {
        let value: Value = serde_json::from_str(
            r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew","1":"One","\ud83d\ude00":"Emoji","\u0080":"Control","\u00f6":"o"}"#,
        )
        .unwrap();
        let text = to_string(&value);
        let order: Vec<_> = ["Carriage", "One", "Control", "\"o\"", "Euro", "Emoji", "Hebrew"]
            .iter()
            .map(|word| text.find(word).unwrap())
            .collect();
        assert!(order.is_sorted(), "{text}");
        let numbers: Value =
            serde_json::from_str("[333333333.33333329,1E30,4.50,2e-3,1e-27,9007199254740993]")
                .unwrap();
        assert_eq!(
            to_string(&numbers),
            "[333333333.3333333,1e+30,4.5,0.002,1e-27,9007199254740993]"
        );
    }

    #[test]
    fn names_are_in_the_order_of_their_utf_16_code_units() {
        let names = ["", "a", "aa", "b", "é", "\u{d7ff}", "\u{e000}", "\u{ffff}", "😀", "😁"];
        for one in names.iter().flat_map(|a| names.map(|b| format!("{b}{a}"))) {
            for other in names.iter().flat_map(|a| names.map(|b| format!("{b}{a}"))) {
                let text = to_string(&json!({ one.as_str(): 1, other.as_str(): 2 }));
                let comes_first = one.encode_utf16().lt(other.encode_utf16());
                let starts = text.starts_with(&format!("{{{}:1", json!(one)));
                assert_eq!(starts, comes_first, "{one:?} {other:?} {text}");
            }
        }
    }

    #[test]
    fn field_order_does_not_matter_and_values_do() {
        let hash = |text: &str| payload_hash(&serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(hash(r#"{"a":1,"b":{"c":2,"d":3}}"#), hash(r#"{"b":{"d":3,"c":2},"a":1}"#));
        assert_ne!(hash(r#"{"a":9007199254740992}"#), hash(r#"{"a":9007199254740993}"#));
    }

    #[test]
    fn every_shape_is_written_as_json() {
        let value = json!({
            "z": [], "y": {}, "x": [1, -2, true, null], "w": {"b": [{"d": 1, "c": 2}], "a": "\u{7}\"é"},
        });
        assert_eq!(
            to_string(&value),
            r#"{"w":{"a":"\u0007\"é","b":[{"c":2,"d":1}]},"x":[1,-2,true,null],"y":{},"z":[]}"#
        );
    }

    #[test]
    fn what_is_left_out_reads_as_what_it_means() {
        let hash = |text: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            payload_hash_with(&value, [("d", 5.into()), ("z", false.into())])
        };
        let full = hash(r#"{"a":{"b":1},"d":5,"z":false}"#);
        let plain: Value = json!({"a": {"b": 1}, "d": 5, "z": false});
        assert_eq!(full, payload_hash(&plain));
        for same in [r#"{"a":{"b":1}}"#, r#"{"z":false,"a":{"b":1}}"#, r#"{"d":5,"a":{"b":1}}"#] {
            assert_eq!(hash(same), full, "{same}");
        }
        for other in [r#"{"a":{"b":1},"d":6}"#, r#"{"a":{"b":1,"d":5}}"#, r#"{"a":{},"z":true}"#] {
            assert_ne!(hash(other), full, "{other}");
        }
        assert_eq!(hash("{}"), payload_hash(&json!({"d": 5, "z": false})));
    }

    #[test]
    fn a_typed_request_reads_as_its_json() {
        let text = r#"{"idempotency_key":"k","subject":{"tenant":"acme","dimensions":{"b":"2","a":"1"}},"action":{"kind":"a","name":"b","tags":["t"]},"estimate":{"unit":"TOKENS","amount":5},"metadata":{"z":1.5,"a":{"c":null,"b":[{}]}}}"#;
        let request: crate::ReservationCreateRequest = serde_json::from_str(text).unwrap();
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(payload_hash(&request), payload_hash(&value));
    }
}
