//! JSON documents on their way between JavaScript and the core.

use std::time::Duration;

use napi::bindgen_prelude::{FromNapiValue, ToNapiValue, TypeName, ValidateNapiValue};
use napi::{Result, ValueType, sys};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::envelope::Failure;

/// An argument as JSON. Integers are exact: the façade sends those above 32 bits
/// as `bigint`, and the conversion back makes `bigint` of those above 2^53 - 1.
///
/// Reading one never fails, so that a bad argument becomes a typed error of the
/// call instead of a `TypeError` of the addon.
pub(crate) struct Document(std::result::Result<Value, String>);

impl Document {
    /// The value, or a validation failure that says why JSON cannot carry it.
    pub(crate) fn into_value(self) -> std::result::Result<Value, Failure> {
        self.0.map_err(Failure::validation)
    }

    /// The value as text, whatever kind of scalar it is; `None` for null.
    pub(crate) fn into_text(self) -> std::result::Result<Option<String>, Failure> {
        Ok(match self.into_value()? {
            Value::Null => None,
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        })
    }

    /// The value as a time in milliseconds called `name`.
    pub(crate) fn into_millis(self, name: &str) -> std::result::Result<Duration, Failure> {
        let value = self.into_value()?;
        let ms = value.as_u64().ok_or_else(|| {
            Failure::validation(format!("not a whole number of milliseconds {name}={value}"))
        })?;
        Ok(Duration::from_millis(ms))
    }

    /// The value as the document called `what`.
    pub(crate) fn read<T: DeserializeOwned>(self, what: &str) -> std::result::Result<T, Failure> {
        Ok(runcycles::document::read(what, self.into_value()?)?)
    }
}

impl TypeName for Document {
    fn type_name() -> &'static str {
        "Document"
    }

    fn value_type() -> ValueType {
        ValueType::Unknown
    }
}

impl ValidateNapiValue for Document {
    #[expect(unsafe_code, reason = "the trait is declared unsafe; nothing is dereferenced here")]
    unsafe fn validate(_: sys::napi_env, _: sys::napi_value) -> Result<sys::napi_value> {
        Ok(std::ptr::null_mut())
    }
}

impl FromNapiValue for Document {
    #[expect(
        unsafe_code,
        reason = "napi hands over raw handles, valid for the duration of the call"
    )]
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // An argument that JavaScript left out is a null document.
        if napi::type_of!(env, value)? == ValueType::Undefined {
            return Ok(Self(Ok(Value::Null)));
        }
        Ok(Self(
            unsafe { Value::from_napi_value(env, value) }.map_err(|error| error.reason.clone()),
        ))
    }
}

/// An argument of a call that is made often: JSON text, which costs a tenth of an object's
/// members one by one; an object where an integer is beyond what text keeps in JavaScript.
pub(crate) struct Json(Document);

impl Json {
    /// As [`Document::read`].
    pub(crate) fn read<T: DeserializeOwned>(self, what: &str) -> std::result::Result<T, Failure> {
        match self.0.into_value()? {
            Value::String(text) => {
                let value: Value = serde_json::from_str(&text)
                    .map_err(|error| Failure::validation(format!("{what} is not JSON: {error}")))?;
                Ok(runcycles::document::read(what, value)?)
            }
            value => Ok(runcycles::document::read(what, value)?),
        }
    }
}

impl TypeName for Json {
    fn type_name() -> &'static str {
        "Json"
    }

    fn value_type() -> ValueType {
        ValueType::Unknown
    }
}

impl ValidateNapiValue for Json {
    #[expect(unsafe_code, reason = "the trait is declared unsafe; nothing is dereferenced here")]
    unsafe fn validate(_: sys::napi_env, _: sys::napi_value) -> Result<sys::napi_value> {
        Ok(std::ptr::null_mut())
    }
}

impl FromNapiValue for Json {
    #[expect(
        unsafe_code,
        reason = "napi hands over raw handles, valid for the duration of the call"
    )]
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        Ok(Self(unsafe { Document::from_napi_value(env, value) }?))
    }
}

/// A result of a call that is made often: JSON text, or an object where an integer is beyond
/// what `JSON.parse` keeps.
pub(crate) struct Payload(pub(crate) Value);

impl ToNapiValue for Payload {
    #[expect(
        unsafe_code,
        reason = "napi hands over raw handles, valid for the duration of the call"
    )]
    unsafe fn to_napi_value(env: sys::napi_env, payload: Self) -> Result<sys::napi_value> {
        if is_safe(&payload.0) {
            unsafe { String::to_napi_value(env, payload.0.to_string()) }
        } else {
            unsafe { Value::to_napi_value(env, payload.0) }
        }
    }
}

/// JavaScript's `Number.MAX_SAFE_INTEGER`.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

fn is_safe(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(is_safe),
        Value::Object(members) => members.values().all(is_safe),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number <= MAX_SAFE_INTEGER,
            (None, Some(number)) => number.unsigned_abs() <= MAX_SAFE_INTEGER,
            (None, None) => true,
        },
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}
