//! Money in words.

use std::ffi::c_char;

use runcycles::ErrorReport;
use runcycles::models::Amount;

use crate::failure::told;
use crate::text::read;

/// A decimal amount of US dollars, like "0.02", in microcents, exactly; -1 and an
/// error where it is not one.
///
/// # Safety
/// `dollars` is NULL or ends in a zero byte; `error` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_usd_microcents(
    dollars: *const c_char,
    error: *mut *mut c_char,
) -> i64 {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, -1, || {
            let amount = Amount::usd(read("dollars", dollars)?);
            // Not a refusal of an authority: nothing was sent.
            Ok(amount.map_err(|error| ErrorReport::from(error.before_sending()))?.amount)
        })
    }
}
