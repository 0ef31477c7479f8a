//! Canonical JSON for comparing payloads (RFC 8785 ordering and escaping;
//! integers are printed exactly, where the RFC would round them above 2⁵³).

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

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
    let value = serde_json::to_value(request).expect("requests are plain JSON");
    let mut text = String::new();
    write(&value, &mut text);
    Sha256::new().chain_update(VERSION).chain_update(text).finalize().into()
}

/// The canonical text of a JSON value.
#[must_use]
pub fn to_string(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => write_number(number, out),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push('{');
            for (index, (name, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

fn write_number(number: &serde_json::Number, out: &mut String) {
    match number.as_f64() {
        Some(float) if number.is_f64() => out.push_str(ryu_js::Buffer::new().format(float)),
        _ => out.push_str(&number.to_string()),
    }
}

fn write_string(text: &str, out: &mut String) {
    // serde_json escapes exactly what RFC 8785 section 3.2.2.2 asks for.
    out.push_str(&Value::String(text.to_owned()).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn field_order_does_not_matter_and_values_do() {
        let hash = |text: &str| payload_hash(&serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(hash(r#"{"a":1,"b":{"c":2,"d":3}}"#), hash(r#"{"b":{"d":3,"c":2},"a":1}"#));
        assert_ne!(hash(r#"{"a":9007199254740992}"#), hash(r#"{"a":9007199254740993}"#));
    }
}
