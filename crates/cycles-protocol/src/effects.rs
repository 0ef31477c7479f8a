//! Effects come in through traits, so that tests and the simulator pass their
//! own: time and randomness. This is the one place that asks the machine.

#![expect(clippy::disallowed_methods, reason = "the system's clock is implemented here")]

use std::cell::RefCell;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Wall time for stamps, monotonic time for waiting.
///
/// The authority's clock decides expiry; the SDK only ever measures spans on
/// its own monotonic clock (decision: "Time belongs to the authority").
pub trait Clock: Debug + Send + Sync + 'static {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;

    /// Time since some fixed moment; never goes back.
    fn monotonic(&self) -> Duration;

    /// Completes once [`monotonic`](Self::monotonic) has reached `deadline`.
    fn sleep_until(&self, deadline: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Where keys and ids come from.
pub trait Random: Debug + Send + Sync + 'static {
    /// Fills `bytes` with randomness.
    fn fill(&self, bytes: &mut [u8]);
}

/// The machine's clock. Its monotonic time is tokio's, which a test can pause.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    fn sleep_until(&self, deadline: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep_until(self.start + deadline))
    }
}

/// Ids that must differ but need not be secret, like a request's: a counter
/// behind a bijection, started at random in each process, and far cheaper than a
/// system call. Never for keys or secrets.
#[derive(Debug)]
pub struct UniqueIds {
    /// The process that it was started in; a forked one starts anew.
    owner: AtomicU32,
    count: AtomicU64,
    /// Tells apart two sequences that have come to the same count.
    salt: AtomicU64,
}

impl UniqueIds {
    /// A sequence of its own.
    #[must_use]
    pub fn new() -> Self {
        let (owner, count, salt) = (AtomicU32::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let ids = Self { owner, count, salt };
        ids.start();
        ids
    }

    fn start(&self) {
        for part in [&self.count, &self.salt] {
            let mut bytes = [0; 8];
            SystemRandom.fill(&mut bytes);
            part.store(u64::from_ne_bytes(bytes), Ordering::Relaxed);
        }
        self.owner.store(crate::process::id(), Ordering::Relaxed);
    }
}

impl Default for UniqueIds {
    fn default() -> Self {
        Self::new()
    }
}

impl Random for UniqueIds {
    fn fill(&self, bytes: &mut [u8]) {
        if self.owner.load(Ordering::Relaxed) != crate::process::id() {
            self.start();
        }
        let salts = [0, self.salt.load(Ordering::Relaxed)];
        for (chunk, salt) in bytes.chunks_mut(8).zip(salts.into_iter().cycle()) {
            // SplitMix64 (Steele, Lea, Flood 2014): no value twice in 2⁶⁴.
            let mut value = self.count.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed) ^ salt;
            value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            value ^= value >> 31;
            chunk.copy_from_slice(&value.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// The operating system's randomness, asked for in pieces that serve many keys.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRandom;

impl Random for SystemRandom {
    /// # Panics
    /// When the operating system has no randomness to give; nothing that spends
    /// money should go on then.
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > Supply::SIZE {
            return from_system(bytes);
        }
        SUPPLY.with_borrow_mut(|supply| supply.take(bytes));
    }
}

fn from_system(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system provides randomness");
}

thread_local! {
    static SUPPLY: RefCell<Supply> = const { RefCell::new(Supply::EMPTY) };
}

/// Randomness that has not been given out. A forked process must not give out
/// its parent's: two spends would have one key.
struct Supply {
    owner: u32,
    given: usize,
    bytes: [u8; Self::SIZE],
}

impl Supply {
    const SIZE: usize = 1024;
    const EMPTY: Self = Self { owner: 0, given: Self::SIZE, bytes: [0; Self::SIZE] };

    fn take(&mut self, into: &mut [u8]) {
        let owner = crate::process::id();
        if self.owner != owner || Self::SIZE - self.given < into.len() {
            from_system(&mut self.bytes);
            (self.owner, self.given) = (owner, 0);
        }
        let given = &mut self.bytes[self.given..self.given + into.len()];
        into.copy_from_slice(given);
        given.fill(0);
        self.given += into.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn randomness_is_given_out_once_in_pieces_of_any_size() {
        let mut seen = std::collections::HashSet::new();
        for size in [16, 8, 256, 300, 16, 255, 24].into_iter().cycle().take(700) {
            let mut bytes = vec![0; size];
            SystemRandom.fill(&mut bytes);
            assert!(seen.insert(bytes));
        }
    }

    #[test]
    fn a_forked_process_asks_for_randomness_of_its_own() {
        let mut supply = Supply { owner: 0, given: 0, bytes: [7; Supply::SIZE] };
        let mut bytes = [0; 16];
        supply.take(&mut bytes);
        assert_ne!(bytes, [7; 16]);
        assert_eq!(supply.bytes[..16], [0; 16], "what was given out is forgotten");
    }

    #[test]
    fn unique_ids_differ_within_and_between_sequences() {
        let (one, other) = (UniqueIds::new(), UniqueIds::default());
        let ids = |ids: &UniqueIds| {
            let mut bytes = [0; 16];
            ids.fill(&mut bytes);
            bytes
        };
        let all: std::collections::HashSet<_> =
            (0..1_000).flat_map(|_| [ids(&one), ids(&other)]).collect();
        assert_eq!(all.len(), 2_000);
        let mut short = [0; 3];
        one.fill(&mut short);
        assert_ne!(short, [0; 3]);
    }

    #[test]
    fn sequences_that_meet_and_those_of_a_parent_differ() {
        let (one, other) = (UniqueIds::new(), UniqueIds::new());
        other.count.store(one.count.load(Ordering::Relaxed), Ordering::Relaxed);
        let ids = |ids: &UniqueIds| {
            let mut bytes = [0; 16];
            ids.fill(&mut bytes);
            bytes
        };
        assert_ne!(ids(&one), ids(&other), "the same count");
        let child = UniqueIds {
            owner: AtomicU32::new(0),
            count: AtomicU64::new(one.count.load(Ordering::Relaxed)),
            salt: AtomicU64::new(one.salt.load(Ordering::Relaxed)),
        };
        assert_ne!(ids(&one), ids(&child), "it has started anew");
    }
}
