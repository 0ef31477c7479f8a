//! What each language's own tests need to see errors and panics arrive.

use runcycles::ErrorReport;
use runcycles::document::foreign;

use crate::error::{NativeError, json};

/// One error report of each kind, as JSON.
#[uniffi::export]
pub fn error_samples() -> Vec<String> {
    ErrorReport::samples().iter().map(json).collect()
}

/// Panics where it is called.
///
/// # Panics
/// Always.
#[uniffi::export]
#[expect(clippy::panic, reason = "the host must survive it")]
pub fn panic_in_native(message: String) {
    panic!("{message}");
}

/// Panics in a task of the runtime.
///
/// # Panics
/// Always, in its task; the caller gets an error of kind `Internal`.
#[uniffi::export]
#[expect(clippy::panic, reason = "the host must survive it")]
pub async fn panic_in_native_task(message: String) -> Result<(), NativeError> {
    let panics = foreign::detached(async move {
        tokio::task::yield_now().await;
        panic!("{message}");
    });
    Ok(panics.await?)
}
