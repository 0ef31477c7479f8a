//! How far the writer is, and who waits for it.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};

use cycles_engine::durable::{Health, unavailable};
use cycles_protocol::Error;
use parking_lot::{Condvar, Mutex, MutexGuard};

/// Wakes only those whose changes are on disk: woken for each batch, all of them
/// would cost more than the batch.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    state: Mutex<State>,
    /// As in the state, for those who only look.
    durable: AtomicU64,
    /// For those who hold their thread while they wait.
    moved: Condvar,
}

#[derive(Debug, Default)]
struct State {
    health: Health,
    /// Who waits, and for which number.
    waiting: Vec<(u64, Waker)>,
}

impl Progress {
    /// Everything up to this number is on disk.
    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(crate) fn health(&self) -> Health {
        self.state.lock().health
    }

    /// Everything up to `number` is on disk from now on.
    pub(crate) fn reached(&self, number: u64) {
        let mut state = self.state.lock();
        self.durable.store(number, Ordering::Release);
        let woken = state.waiting.extract_if(.., |(waits_for, _)| *waits_for <= number);
        let woken: Vec<_> = woken.collect();
        self.wake(state, woken);
    }

    /// Nothing more will be on disk: whoever waits is told.
    pub(crate) fn failed(&self) {
        let mut state = self.state.lock();
        state.health = Health::Failed;
        let woken = std::mem::take(&mut state.waiting);
        self.wake(state, woken);
    }

    /// Memory was made anew from what is on disk.
    pub(crate) fn reloaded(&self) {
        self.state.lock().health = Health::ReadOnly;
    }

    /// Waits until everything up to `number` is on disk.
    ///
    /// # Errors
    /// 503, when the writer failed before that.
    pub(crate) async fn settled(&self, number: u64) -> Result<(), Error> {
        poll_fn(|context| {
            if self.durable() >= number {
                return Poll::Ready(Ok(()));
            }
            let mut state = self.state.lock();
            if let Some(end) = self.end(&state, number) {
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
    pub(crate) fn settled_now(&self, number: u64) -> Result<(), Error> {
        let mut state = self.state.lock();
        loop {
            if let Some(end) = self.end(&state, number) {
                return end;
            }
            self.moved.wait(&mut state);
        }
    }

    /// What somebody who waits for `number` is told, once there is something to tell.
    fn end(&self, state: &State, number: u64) -> Option<Result<(), Error>> {
        if self.durable() >= number {
            return Some(Ok(()));
        }
        let failed = "the store failed before it kept this; repeat it with the same key";
        (state.health != Health::Keeping).then(|| Err(unavailable(failed)))
    }

    fn wake(&self, state: MutexGuard<'_, State>, woken: Vec<(u64, Waker)>) {
        drop(state);
        self.moved.notify_all();
        for (_, waker) in woken {
            waker.wake();
        }
    }
}
