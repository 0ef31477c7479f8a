//! JSON documents on their way between JavaScript and the core.

use std::time::Duration;

use napi::bindgen_prelude::{FromNapiValue, ToNapiValue, TypeName, ValidateNapiValue};
use napi::{Result, ValueType, sys};
use serde::Serialize;
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
            Value::String(text) => Ok(runcycles::document::read_text(what, &text)?),
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
pub(crate) struct Payload(String);

impl Payload {
    /// A value of the core's own types, which always make one.
    pub(crate) fn of(value: &impl Serialize) -> Self {
        Self(serde_json::to_string(value).unwrap_or_default())
    }
}

impl ToNapiValue for Payload {
    #[expect(
        unsafe_code,
        reason = "napi hands over raw handles, valid for the duration of the call"
    )]
    unsafe fn to_napi_value(env: sys::napi_env, Self(text): Self) -> Result<sys::napi_value> {
        if may_be_rounded(&text) {
            let value: Value = serde_json::from_str(&text).unwrap_or_default();
            return unsafe { Value::to_napi_value(env, value) };
        }
        unsafe { String::to_napi_value(env, text) }
    }
}

/// As many digits as `Number.MAX_SAFE_INTEGER` has.
const SAFE_DIGITS: usize = 16;

/// Whether the text may hold an integer that JavaScript would round; digits in strings count
/// too, which costs an object and no more.
fn may_be_rounded(text: &str) -> bool {
    let mut digits = 0;
    text.bytes().any(|byte| {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        digits == SAFE_DIGITS
    })
}
