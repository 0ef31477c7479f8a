//! A clock that only moves when told. One clock drives the authority's expiry
//! and the SDK's heartbeats and repeats alike.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::Clock;
use parking_lot::Mutex;
use tokio::sync::watch;

/// Where a manual clock starts unless told: 2027-01-15T08:00:00Z.
pub(crate) const START_MS: i64 = 1_800_000_000_000;

/// A clock that only moves when told. Clones share the time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    start_ms: i64,
    /// Time since the start; watchers are woken by every move.
    elapsed: Arc<watch::Sender<Duration>>,
    moving: Arc<Mutex<()>>,
}

impl ManualClock {
    /// A clock that stands at `start_ms`, milliseconds since the Unix epoch.
    #[must_use]
    pub fn starting_at(start_ms: i64) -> Self {
        Self {
            start_ms,
            elapsed: Arc::new(watch::Sender::new(Duration::ZERO)),
            moving: Arc::new(Mutex::new(())),
        }
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        Clock::now_ms(self)
    }

    /// Moves the time forward and wakes whoever waited for a moment up to it.
    pub fn advance(&self, by: Duration) {
        let _one_move_at_a_time = self.moving.lock();
        self.elapsed.send_modify(|elapsed| *elapsed += by);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::starting_at(START_MS)
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        let elapsed = i64::try_from(self.monotonic().as_millis()).unwrap_or(i64::MAX);
        self.start_ms.saturating_add(elapsed)
    }

    fn monotonic(&self) -> Duration {
        *self.elapsed.borrow()
    }

    fn sleep_until(&self, deadline: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut elapsed = self.elapsed.subscribe();
        // The sender is kept alive here: a sleeper on a forgotten clock sleeps on.
        let keep = Arc::clone(&self.elapsed);
        Box::pin(async move {
            let _ = elapsed.wait_for(|elapsed| *elapsed >= deadline).await;
            drop(keep);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_when_their_moment_has_come_and_not_before() {
        let clock = ManualClock::default();
        let sleeper = tokio::spawn(clock.sleep_until(Duration::from_secs(10)));
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
        assert_eq!(clock.now_ms(), START_MS + 10_000);
    }
}
