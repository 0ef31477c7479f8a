//! Exports that let the package's tests look across the boundary.

use napi_derive::napi;
use runcycles::ErrorReport;
use serde_json::Value;

use crate::document::Document;
use crate::envelope::{Envelope, document, guarded, guarded_async};

/// The version that the addon was built as.
#[napi]
pub(crate) fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

/// One error of each kind that the core knows.
#[napi]
pub(crate) fn error_samples() -> Value {
    document(&ErrorReport::samples())
}

/// Returns the document as it arrived.
#[napi]
pub(crate) fn echo_for_test(document: Document) -> Envelope<Value> {
    guarded(|| document.into_value())
}

/// Panics on the calling thread.
#[napi]
pub(crate) fn panic_for_test() -> Envelope<Value> {
    guarded(|| panic!("asked for by a test"))
}

/// Panics on a worker thread.
#[napi]
pub(crate) async fn panic_for_test_async() -> Envelope<Value> {
    guarded_async(async { panic!("asked for by a test") }).await
}
