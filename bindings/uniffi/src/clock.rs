//! The clock of tests.

use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::Clock;

/// A clock that only moves when told; times are milliseconds.
#[derive(Debug, uniffi::Object)]
pub struct ManualClock {
    clock: cycles_testkit::ManualClock,
}

#[uniffi::export]
impl ManualClock {
    /// A clock that stands at `start_ms`, Unix time.
    #[uniffi::constructor]
    pub fn new(start_ms: i64) -> Arc<Self> {
        Arc::new(Self { clock: cycles_testkit::ManualClock::starting_at(start_ms) })
    }

    /// Moves the time forward and wakes whoever waited for a moment up to it.
    pub fn advance(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    /// The time, Unix time.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }
}

impl ManualClock {
    /// The same clock for a server.
    pub(crate) fn handle(&self) -> cycles_testkit::ManualClock {
        self.clock.clone()
    }

    /// The same clock for a client.
    pub(crate) fn shared(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }
}
