//! What languages need of amounts and caps without a client.

use runcycles::ErrorReport;
use runcycles::models::{Amount, Caps};

use crate::error::{NativeError, document};

/// US dollars from decimal text, exactly, as 10⁻⁸ dollars.
#[uniffi::export]
pub fn usd_microcents(text: String) -> Result<i64, NativeError> {
    // Not a refusal of an authority: nothing was sent.
    let invalid = |error: cycles_protocol::Error| ErrorReport::from(error.before_sending());
    Ok(Amount::usd(&text).map_err(invalid)?.amount)
}

/// Whether `tool` may run under the JSON `caps`.
#[uniffi::export]
pub fn is_tool_allowed(caps: String, tool: String) -> Result<bool, NativeError> {
    Ok(document::<Caps>("caps", &caps)?.is_tool_allowed(&tool))
}
