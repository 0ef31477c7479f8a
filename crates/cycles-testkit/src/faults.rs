//! The faults of one server that have not fired yet.

use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::{Clock, Operation};
use tokio::sync::watch;

use crate::fault::{Effect, Fault};

/// Faults in the order in which they were injected; clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Faults {
    state: Arc<watch::Sender<State>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct State {
    pending: Vec<Fault>,
    /// How often all were cleared; a held call goes on when this moves.
    cleared: u64,
}

/// A call that a fault hit.
#[derive(Debug)]
pub(crate) struct Hit {
    pub(crate) effect: Effect,
    /// By the clock, before a waiting test could see that the fault has fired.
    at: Duration,
    cleared: u64,
}

impl Faults {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { state: Arc::new(watch::Sender::new(State::default())), clock }
    }

    pub(crate) fn inject(&self, fault: Fault) {
        self.state.send_modify(|state| state.pending.push(fault));
    }

    /// Forgets what has not fired and lets held calls go on.
    pub(crate) fn clear(&self) {
        self.state.send_modify(|state| {
            state.pending.clear();
            state.cleared += 1;
        });
    }

    pub(crate) fn pending(&self) -> Vec<Fault> {
        self.state.borrow().pending.clone()
    }

    /// Waits until no fault of `operation` is left.
    pub(crate) async fn fired(&self, operation: Operation) {
        let mut state = self.state.subscribe();
        // The sender lives in `self`, so this ends with the condition only.
        let none = |state: &State| state.pending.iter().all(|fault| fault.operation != operation);
        let _ = state.wait_for(none).await;
    }

    /// What happens to a call of `operation` that is made now.
    pub(crate) fn next(&self, operation: Operation) -> Option<Hit> {
        let at = self.clock.monotonic();
        let mut hit = None;
        self.state.send_if_modified(|state| {
            let found = state.pending.iter().position(|fault| fault.operation == operation);
            let Some(index) = found else { return false };
            let fault = &mut state.pending[index];
            if fault.skip > 0 {
                fault.skip -= 1;
                return false;
            }
            hit = Some(Hit { effect: fault.effect.clone(), at, cleared: state.cleared });
            fault.times -= 1;
            if fault.times == 0 {
                state.pending.remove(index);
            }
            true
        });
        hit
    }

    /// Holds the call until the clock has moved by `delay` since the hit.
    pub(crate) async fn hold(&self, hit: &Hit, delay: Duration) {
        let mut state = self.state.subscribe();
        tokio::select! {
            () = self.clock.sleep_until(hit.at + delay) => {}
            _ = state.wait_for(|state| state.cleared != hit.cleared) => {}
        }
    }
}
