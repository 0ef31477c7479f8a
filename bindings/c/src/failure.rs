//! Failures on their way out, and handles on their way in.

use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cycles_protocol::Error as Refusal;
use runcycles::ErrorReport;

use crate::text::{give, json};

/// Runs `work`; a failure or a panic is told through `error`, and `failed` is
/// answered.
///
/// # Safety
/// `error` is NULL or may be written to.
pub(crate) unsafe fn told<T>(
    error: *mut *mut c_char,
    failed: T,
    work: impl FnOnce() -> Result<T, ErrorReport>,
) -> T {
    match caught(work) {
        Ok(value) => value,
        Err(report) => {
            if !error.is_null() {
                // SAFETY: as the caller promises.
                unsafe { *error = give(json(&report)) };
            }
            failed
        }
    }
}

/// Runs `work`; a panic is a report too, for C cannot unwind.
pub(crate) fn caught<T>(work: impl FnOnce() -> Result<T, ErrorReport>) -> Result<T, ErrorReport> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(ErrorReport::panicked(&*panic)))
}

/// The object behind a handle.
///
/// # Safety
/// `handle` is NULL, or was answered by this library and not freed yet.
pub(crate) unsafe fn handle<'a, T>(what: &str, handle: *const T) -> Result<&'a T, ErrorReport> {
    // SAFETY: as the caller promises.
    unsafe { handle.as_ref() }
        .ok_or_else(|| Refusal::invalid(format!("{what} is NULL; pass its handle")).into())
}

/// Hands an object over to the caller.
pub(crate) fn give_handle<T>(object: T) -> *mut T {
    Box::into_raw(Box::new(object))
}

/// Frees an object; NULL is ignored.
///
/// # Safety
/// As [`handle`]; nobody uses it any more.
pub(crate) unsafe fn free<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: it came from `give_handle`.
        let object = unsafe { Box::from_raw(handle) };
        // A panic while it is dropped must not unwind into C.
        let _ = caught(move || {
            drop(object);
            Ok(())
        });
    }
}
