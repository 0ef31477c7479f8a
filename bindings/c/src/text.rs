//! Text in and out.

use std::ffi::{CStr, CString, c_char};

use cycles_protocol::Error as Refusal;
use runcycles::{ErrorReport, document};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads a text of the caller's, which `what` names.
///
/// # Safety
/// `text` is NULL or ends in a zero byte, and outlives `'a`.
pub(crate) unsafe fn read<'a>(what: &str, text: *const c_char) -> Result<&'a str, ErrorReport> {
    // SAFETY: as the caller promises.
    unsafe { read_optional(what, text) }?
        .ok_or_else(|| Refusal::invalid(format!("{what} is NULL; pass a text")).into())
}

/// As [`read`], where NULL means that there is none.
///
/// # Safety
/// As [`read`].
pub(crate) unsafe fn read_optional<'a>(
    what: &str,
    text: *const c_char,
) -> Result<Option<&'a str>, ErrorReport> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and as the caller promises.
    let text = unsafe { CStr::from_ptr(text) }.to_str();
    text.map(Some).map_err(|_| Refusal::invalid(format!("{what} is not UTF-8")).into())
}

/// A document of the caller's, from JSON text.
pub(crate) fn document<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, ErrorReport> {
    let value = serde_json::from_str(text)
        .map_err(|error| Refusal::invalid(format!("{what} is not JSON: {error}")))?;
    document::read(what, value)
}

/// A document of the core's as JSON text.
pub(crate) fn json(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("the core's documents have text keys")
}

/// Hands a text over to the caller.
pub(crate) fn give(text: String) -> *mut c_char {
    // A zero byte would end the text early; JSON escapes it, other texts have none.
    let bytes: Vec<u8> = text.into_bytes().into_iter().filter(|byte| *byte != 0).collect();
    CString::new(bytes).unwrap_or_default().into_raw()
}

/// Frees a text that a function of this library has answered; NULL is ignored.
///
/// # Safety
/// `text` is such a text and was not freed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_string_free(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: it came from `give`.
        drop(unsafe { CString::from_raw(text) });
    }
}
