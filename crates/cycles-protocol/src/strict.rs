//! Strict reading of requests: what the spec does not name is refused, with
//! the field's name in the message.
//!
//! The same types read answers, where unknown fields are tolerated; strictness
//! is added here, once, around them.

use std::ops::RangeInclusive;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, ErrorCode};
use crate::{Action, Amount, IdempotencyKey, Subject, Unit, limits};

/// A request that can check its own fields against the spec's limits.
pub trait Validate {
    /// Checks every field.
    ///
    /// # Errors
    /// `INVALID_REQUEST` naming the first field that is wrong.
    fn validate(&self) -> Result<(), Error>;
}

/// Reads a request body.
///
/// # Errors
/// `INVALID_REQUEST` for malformed JSON, unknown or repeated fields, wrong
/// types (floats and strings for integers, arrays for objects, `null`), and values
/// out of bounds.
pub fn parse<T: DeserializeOwned + Serialize + Validate>(body: &[u8]) -> Result<T, Error> {
    if body.len() > limits::BODY_MAX {
        return Err(invalid(format!("request body is too large max_bytes={}", limits::BODY_MAX)));
    }
    let value: T = parse_fields(body)?;
    value.validate()?;
    Ok(value)
}

fn parse_fields<T: DeserializeOwned + Serialize>(body: &[u8]) -> Result<T, Error> {
    let mut unknown = None;
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_ignored::deserialize(&mut reader, |path| {
        unknown.get_or_insert_with(|| path.to_string());
    })
    .map_err(|error| malformed(&error))?;
    reader.end().map_err(|error| malformed(&error))?;
    if let Some(field) = unknown {
        return Err(invalid(format!("unknown field in request body field={field}")));
    }
    refuse_leniency(body, &value)?;
    Ok(value)
}

/// The spec declares no field nullable, and its objects are objects. `serde` reads
/// `null` as an absent option and a struct also from an array of its fields, so
/// both are looked for separately, and only where the text has one.
fn refuse_leniency(body: &[u8], read: &impl Serialize) -> Result<(), Error> {
    let has_null = memchr::memmem::find(body, b"null").is_some();
    let has_array = memchr::memchr(b'[', body).is_some();
    if !has_null && !has_array {
        return Ok(());
    }
    let sent: Value = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
    if has_null && let Some(field) = null_field(&sent, "") {
        return Err(invalid(format!("null is not allowed; leave the field out field={field}")));
    }
    if has_array {
        let read = serde_json::to_value(read).map_err(|error| malformed(&error))?;
        if let Some(field) = array_for_object(&sent, &read, "") {
            return Err(invalid(format!("must be an object, not an array field={field}")));
        }
    }
    Ok(())
}

fn array_for_object(sent: &Value, read: &Value, path: &str) -> Option<String> {
    match (sent, read) {
        (Value::Array(_), Value::Object(_)) => Some(path.to_owned()),
        (Value::Array(sent), Value::Array(read)) => {
            sent.iter().zip(read).find_map(|(sent, read)| array_for_object(sent, read, path))
        }
        (Value::Object(sent), Value::Object(read)) => sent
            .iter()
            .find_map(|(name, sent)| array_for_object(sent, read.get(name)?, &below(path, name))),
        _ => None,
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn null_field(value: &Value, path: &str) -> Option<String> {
    let Value::Object(fields) = value else { return None };
    fields.iter().find_map(|(name, value)| {
        let path = below(path, name);
        match value {
            Value::Null => Some(path),
            // Free-form by the spec: anything may stand there.
            _ if matches!(name.as_str(), "metadata" | "custom") => None,
            nested => null_field(nested, &path),
        }
    })
}

fn malformed(error: &serde_json::Error) -> Error {
    invalid(format!("malformed request body: {error}"))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::InvalidRequest, message)
}

pub(crate) fn idempotency_key(key: &IdempotencyKey) -> Result<(), Error> {
    length("idempotency_key", Some(key.as_str()), 1, limits::IDEMPOTENCY_KEY_MAX)
}

/// Checks how many characters a text has, if it is there.
///
/// # Errors
/// `INVALID_REQUEST` naming the field.
pub fn length(field: &str, value: Option<&str>, min: usize, max: usize) -> Result<(), Error> {
    let Some(value) = value else { return Ok(()) };
    // Nearly every value is short, and no text has more characters than bytes.
    if value.len() <= max && (min == 0 || (min == 1 && !value.is_empty())) {
        return Ok(());
    }
    let count = value.chars().count();
    if (min..=max).contains(&count) {
        return Ok(());
    }
    Err(invalid(format!("must have {min} to {max} characters field={field} characters={count}")))
}

pub(crate) fn range(
    field: &str,
    value: Option<i64>,
    range: &RangeInclusive<i64>,
) -> Result<(), Error> {
    match value {
        Some(value) if !range.contains(&value) => Err(invalid(format!(
            "must be {} to {} field={field} value={value}",
            range.start(),
            range.end()
        ))),
        _ => Ok(()),
    }
}

pub(crate) fn not_negative(field: &str, value: Option<i64>) -> Result<(), Error> {
    range(field, value, &(0..=i64::MAX))
}

pub(crate) fn known<T: PartialEq + Copy>(
    field: &str,
    value: Option<T>,
    unknown: T,
) -> Result<(), Error> {
    if value == Some(unknown) {
        return Err(invalid(format!("value is not one that the spec names field={field}")));
    }
    Ok(())
}

pub(crate) fn amount(field: &str, amount: Amount) -> Result<(), Error> {
    if amount.unit == Unit::Unknown {
        return known(&format!("{field}.unit"), Some(amount.unit), Unit::Unknown);
    }
    if amount.amount < 0 {
        return not_negative(&format!("{field}.amount"), Some(amount.amount));
    }
    Ok(())
}

pub(crate) fn action(action: &Action) -> Result<(), Error> {
    length("action.kind", Some(&action.kind), 0, limits::ACTION_KIND_MAX)?;
    length("action.name", Some(&action.name), 0, limits::ACTION_NAME_MAX)?;
    let tags = action.tags.as_deref().unwrap_or_default();
    if tags.len() > limits::ACTION_TAGS_MAX {
        return Err(invalid(format!(
            "at most {} tags field=action.tags count={}",
            limits::ACTION_TAGS_MAX,
            tags.len()
        )));
    }
    tags.iter().try_for_each(|tag| length("action.tags", Some(tag), 0, limits::ACTION_TAG_MAX))
}

pub(crate) fn subject(subject: &Subject) -> Result<(), Error> {
    let mut levels = 0;
    for (level, value) in subject.levels() {
        levels += 1;
        if !limits::is_subject_value(value) {
            return Err(invalid(format!(
                "must match ^[a-zA-Z0-9_.-]+$ with at most {} characters field=subject.{}",
                limits::SUBJECT_VALUE_MAX,
                level.as_str()
            )));
        }
    }
    if levels == 0 {
        return Err(invalid(
            "subject must have at least one of tenant, workspace, app, workflow, agent, toolset field=subject",
        ));
    }
    let Some(dimensions) = &subject.dimensions else { return Ok(()) };
    if dimensions.len() > limits::DIMENSIONS_MAX {
        return Err(invalid(format!(
            "at most {} entries field=subject.dimensions count={}",
            limits::DIMENSIONS_MAX,
            dimensions.len()
        )));
    }
    dimensions.values().try_for_each(|value| {
        length("subject.dimensions", Some(value), 0, limits::DIMENSION_VALUE_MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ReservationCreateRequest;

    const GOOD: &str = r#"{"idempotency_key":"k","subject":{"tenant":"acme"},"action":{"kind":"a","name":"b"},"estimate":{"unit":"TOKENS","amount":5},"metadata":{"x":null}}"#;

    fn message(body: &str) -> String {
        let error = parse::<ReservationCreateRequest>(body.as_bytes()).expect_err(body);
        assert_eq!(error.code(), ErrorCode::InvalidRequest);
        error.message().to_owned()
    }

    #[test]
    fn a_good_request_passes() {
        assert_eq!(
            parse::<ReservationCreateRequest>(GOOD.as_bytes()).unwrap().estimate,
            Amount::tokens(5)
        );
    }

    #[test]
    fn arrays_stand_where_the_spec_has_them() {
        let tags = r#""name":"b","tags":["null","["]"#;
        let body = GOOD.replacen("\"name\":\"b\"", tags, 1).replacen("null}", "[[null]]}", 1);
        let request = parse::<ReservationCreateRequest>(body.as_bytes()).unwrap();
        assert_eq!(request.action.tags.unwrap().len(), 2);
    }

    #[test]
    fn a_request_is_not_a_list_of_its_fields() {
        use crate::ReleaseRequest;
        let error = parse::<ReleaseRequest>(br#"["k","reason"]"#).expect_err("an array");
        assert!(error.message().contains("not an array"), "{error}");
    }

    #[test]
    fn every_deviation_is_refused_and_named() {
        for (from, to, says) in [
            ("\"k\"", "\"\"", "idempotency_key"),
            ("\"k\"", &format!("\"{}\"", "k".repeat(257)), "idempotency_key"),
            ("\"k\"", "7", "string"),
            ("acme", "a/b", "subject.tenant"),
            ("acme", "", "subject.tenant"),
            ("\"tenant\":\"acme\"", "", "at least one"),
            ("\"tenant\":\"acme\"", "\"tenant\":null", "null is not allowed"),
            ("\"tenant\"", "\"team\"", "subject.team"),
            ("5", "5.0", "floating point"),
            ("5", "\"5\"", "string"),
            ("5", "-5", "estimate.amount"),
            ("5", "9223372036854775808", "malformed"),
            ("{\"tenant\":\"acme\"}", "[\"acme\"]", "array field=subject"),
            ("{\"kind\":\"a\",\"name\":\"b\"}", "[\"a\",\"b\",null]", "array field=action"),
            ("{\"unit\":\"TOKENS\",\"amount\":5}", "[\"TOKENS\",5]", "array field=estimate"),
            ("TOKENS", "EUROS", "estimate.unit"),
            ("\"metadata\"", "\"ttl_ms\":999,\"metadata\"", "ttl_ms"),
            ("\"metadata\"", "\"surprise\":1,\"metadata\"", "surprise"),
            ("\"metadata\"", "\"idempotency_key\":\"k\",\"metadata\"", "duplicate"),
            ("{\"x\":null}}", "{}}}", "trailing"),
            ("{\"x\":null}}", "{}", "EOF"),
        ] {
            let message = message(&GOOD.replacen(from, to, 1));
            assert!(message.contains(says), "{to}: {message}");
        }
    }
}
