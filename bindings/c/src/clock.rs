//! The clock of tests.

use std::sync::Arc;
use std::time::Duration;

use cycles_testkit::ManualClock;

use crate::failure::{free, give_handle};

/// A clock for tests, which moves only when told.
#[derive(Debug)]
pub struct Clock(ManualClock);

impl Clock {
    pub(crate) fn shared(&self) -> Arc<dyn cycles_protocol::Clock> {
        Arc::new(self.0.clone())
    }

    pub(crate) fn handle(&self) -> ManualClock {
        self.0.clone()
    }
}

/// A clock that stands at `start_ms`, Unix time in milliseconds.
#[unsafe(no_mangle)]
pub extern "C" fn cycles_clock_new(start_ms: i64) -> *mut Clock {
    give_handle(Clock(ManualClock::starting_at(start_ms)))
}

/// Moves the time forward and wakes whoever waited for a moment up to it.
///
/// # Safety
/// `clock` is NULL or not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_clock_advance(clock: *const Clock, ms: u64) {
    // SAFETY: as the caller promises.
    if let Some(clock) = unsafe { clock.as_ref() } {
        clock.0.advance(Duration::from_millis(ms));
    }
}

/// The time, Unix time in milliseconds; 0 for NULL.
///
/// # Safety
/// `clock` is NULL or not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_clock_now_ms(clock: *const Clock) -> i64 {
    // SAFETY: as the caller promises.
    unsafe { clock.as_ref() }.map_or(0, |clock| clock.0.now_ms())
}

/// Frees `clock`; who uses it goes on with it.
///
/// # Safety
/// `clock` is NULL or not freed, and nobody uses the handle any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_clock_free(clock: *mut Clock) {
    // SAFETY: as the caller promises.
    unsafe { free(clock) }
}
