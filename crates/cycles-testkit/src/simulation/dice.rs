//! Everything that looks like chance, drawn from one seed.

use std::ops::RangeInclusive;

use cycles_protocol::Random;
use parking_lot::Mutex;

/// The choices of a run.
#[derive(Debug)]
pub(super) struct Dice(fastrand::Rng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// True this often in a hundred.
    pub(super) fn percent(&mut self, percent: u32) -> bool {
        self.0.u32(0..100) < percent
    }

    /// True this often in ten thousand.
    pub(super) fn in_ten_thousand(&mut self, times: u32) -> bool {
        self.0.u32(0..10_000) < times
    }

    /// A number in the range.
    pub(super) fn between(&mut self, range: RangeInclusive<i64>) -> i64 {
        self.0.i64(range)
    }

    /// An index below `count`, which must not be 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        self.0.usize(0..count)
    }

    /// One of them, if there is one.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { from.get(self.below(from.len())) }
    }

    /// One of an array.
    pub(super) fn one_of<T: Copy, const N: usize>(&mut self, from: [T; N]) -> T {
        const { assert!(N > 0, "an empty array has no one") };
        from[self.below(N)]
    }

    /// `Some` this often in a hundred.
    pub(super) fn maybe<T>(
        &mut self,
        percent: u32,
        value: impl FnOnce(&mut Self) -> T,
    ) -> Option<T> {
        self.percent(percent).then(|| value(self))
    }
}

/// The ids of a run.
#[derive(Debug)]
pub(super) struct SeededRandom(Mutex<fastrand::Rng>);

impl SeededRandom {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().fill(bytes);
    }
}
