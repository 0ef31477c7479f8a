//! How long a settlement waits before it is repeated.

use std::time::Duration;

use backon::BackoffBuilder;

use crate::config::CyclesConfig;

/// Delays that grow to the longest and stay there, jittered, and clamped after
/// the jitter (anchors.md pitfall 26).
pub(super) struct Delays {
    growing: backon::ExponentialBackoff,
    longest: Duration,
}

impl Delays {
    pub(super) fn new(config: &CyclesConfig) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a growth factor needs no precision")]
        let factor = config.retry_multiplier.max(1.0) as f32;
        let growing = backon::ExponentialBuilder::default()
            .with_min_delay(config.retry_initial_delay)
            .with_max_delay(config.retry_max_delay)
            .with_factor(factor)
            .with_max_times(usize::try_from(config.retry_max_attempts).unwrap_or(usize::MAX))
            .build();
        Self { growing, longest: config.retry_max_delay }
    }

    pub(super) fn next(&mut self) -> Duration {
        let delay = self.growing.next().unwrap_or(self.longest);
        // Full range between half the delay and the whole: waves of clients spread.
        delay.mul_f64(0.5 + fastrand::f64() / 2.0).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_are_jittered_and_never_exceed_the_longest() {
        let config = CyclesConfig::new("http://h", "k");
        let mut delays = Delays::new(&config);
        let seen: Vec<_> = (0..20).map(|_| delays.next()).collect();
        for (index, nominal) in [500, 1_000, 2_000, 4_000, 8_000].into_iter().enumerate() {
            let nominal = Duration::from_millis(nominal);
            assert!(
                seen[index] >= nominal / 2 && seen[index] <= nominal,
                "{index}: {:?}",
                seen[index]
            );
        }
        assert!(
            seen[5..]
                .iter()
                .all(|delay| *delay >= config.retry_max_delay / 2
                    && *delay <= config.retry_max_delay)
        );
    }
}
