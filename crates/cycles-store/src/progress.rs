//! How far the writer is, and who waits for it.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};

use cycles_engine::durable::{Health, Standing, unavailable};
use cycles_protocol::Error;
use parking_lot::{Condvar, Mutex, MutexGuard};

/// The bits of a standing that are its health.
const HEALTH: u64 = 0b11;

/// Wakes only those whose changes are on disk: woken for each batch, all of them
/// would cost more than the batch.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    state: Mutex<State>,
    /// As in the state, for those who only look.
    durable: AtomicU64,
    /// As in the state: the generation, then the health.
    standing: AtomicU64,
    /// For those who hold their thread while they wait.
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    standing: Standing,
    /// The writer failed, and cannot go on yet.
    is_stopped: bool,
    /// Who waits, and for which number.
    waiting: Vec<(u64, Waker)>,
}

impl Progress {
    /// Everything up to this number is on disk.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(crate) fn standing(&self) -> Standing {
        let standing = self.standing.load(Ordering::Acquire);
        let health = match standing & HEALTH {
            0 => Health::Keeping,
            1 => Health::Failed,
            _ => Health::ReadOnly,
        };
        Standing { health, generation: standing >> HEALTH.count_ones() }
    }

    pub(crate) fn health(&self) -> Health {
        self.standing().health
    }

    /// Everything up to `number` is on disk from now on.
    pub(crate) fn reached(&self, number: u64) {
        let mut state = self.state.lock();
        self.durable.store(number, Ordering::Release);
        let woken = state.waiting.extract_if(.., |(waits_for, _)| *waits_for <= number);
        let woken: Vec<_> = woken.collect();
        self.wake(state, woken);
    }

    /// Nothing that was given is kept: whoever waits is told.
    pub(crate) fn failed(&self) {
        self.next_generation(true);
    }

    /// Something can be kept again, once memory was made anew.
    pub(crate) fn recovered(&self) {
        self.next_generation(false);
    }

    fn next_generation(&self, is_stopped: bool) {
        let mut state = self.state.lock();
        state.is_stopped = is_stopped;
        let generation = state.standing.generation + 1;
        self.stand(&mut state, Standing { health: Health::Failed, generation });
        let woken = std::mem::take(&mut state.waiting);
        self.wake(state, woken);
    }

    /// Memory was made anew from what is on disk.
    pub(crate) fn reloaded(&self) {
        let mut state = self.state.lock();
        let health = if state.is_stopped { Health::ReadOnly } else { Health::Keeping };
        let generation = state.standing.generation;
        self.stand(&mut state, Standing { health, generation });
    }

    fn stand(&self, state: &mut State, standing: Standing) {
        state.standing = standing;
        let health = match standing.health {
            Health::Keeping => 0,
            Health::Failed => 1,
            Health::ReadOnly => 2,
        };
        let both = standing.generation << HEALTH.count_ones() | health;
        self.standing.store(both, Ordering::Release);
    }

    /// Waits until everything up to `number` is on disk, which is a number of that
    /// generation.
    ///
    /// # Errors
    /// 503, when another generation began before that.
    pub(crate) async fn settled(&self, number: u64, generation: u64) -> Result<(), Error> {
        poll_fn(|context| {
            let mut state = self.state.lock();
            if let Some(end) = self.end(&state, number, generation) {
                return Poll::Ready(end);
            }
            state.waiting.push((number, context.waker().clone()));
            Poll::Pending
        })
        .await
    }

    /// As [`settled`](Self::settled), holding the thread.
    ///
    /// # Errors
    /// As [`settled`](Self::settled).
    pub(crate) fn settled_now(&self, number: u64, generation: u64) -> Result<(), Error> {
        let mut state = self.state.lock();
        loop {
            if let Some(end) = self.end(&state, number, generation) {
                return end;
            }
            self.moved.wait(&mut state);
        }
    }

    /// What somebody who waits for `number` is told, once there is something to tell.
    fn end(&self, state: &State, number: u64, generation: u64) -> Option<Result<(), Error>> {
        if state.standing.generation != generation {
            let failed = "the store failed during the request; repeat it with the same key";
            return Some(Err(unavailable(failed)));
        }
        (self.durable() >= number).then_some(Ok(()))
    }

    fn wake(&self, state: MutexGuard<'_, State>, woken: Vec<(u64, Waker)>) {
        drop(state);
        self.moved.notify_all();
        for (_, waker) in woken {
            waker.wake();
        }
    }
}
