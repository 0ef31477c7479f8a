//! Agents that pretend to ask a model, each call guarded as users guard theirs.

use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::{Amount, Clock, Subject};
use runcycles::{CyclesClient, Error, GuardedError, WithCyclesConfig, with_cycles};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::failure::Failure;

/// What an agent does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Agent {
    pub(super) name: &'static str,
    /// Tasks that call at the same time.
    pub(super) workers: usize,
    /// Calls of each worker; without end unless given.
    pub(super) calls: Option<u64>,
    /// Held before each call.
    pub(super) estimate: Amount,
    /// What a call turns out to cost.
    pub(super) actual: Amount,
}

/// A call that ended, or was not allowed to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) agent: &'static str,
    pub(super) is_denied: bool,
}

/// What became of an agent.
#[derive(Debug, Serialize)]
pub(super) struct Ended {
    pub(super) agent: &'static str,
    pub(super) workers: usize,
    /// Calls that ran.
    pub(super) calls: u64,
    pub(super) spent: Amount,
    /// Calls that were refused before they ran.
    pub(super) denials: u64,
    /// What the first of them was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) denied_because: Option<String>,
}

/// A worker's calls, and why it stopped before it was done.
type Worked = (u64, Option<Error>);

impl Agent {
    /// Sets its workers to work; each call is told to `seen`.
    pub(super) fn start(
        self,
        client: &CyclesClient,
        clock: &Arc<dyn Clock>,
        pause: Duration,
        seen: &mpsc::UnboundedSender<Seen>,
    ) -> Vec<JoinHandle<Worked>> {
        let worker = |_| {
            let (client, clock, seen) = (client.clone(), Arc::clone(clock), seen.clone());
            tokio::spawn(async move { self.work(&client, &*clock, pause, &seen).await })
        };
        (0..self.workers).map(worker).collect()
    }

    async fn work(
        self,
        client: &CyclesClient,
        clock: &dyn Clock,
        pause: Duration,
        seen: &mpsc::UnboundedSender<Seen>,
    ) -> Worked {
        let call = WithCyclesConfig::new(self.estimate)
            .action("llm.completion", "pretend-model")
            .subject(Subject { agent: Some(self.name.to_owned()), ..Subject::default() });
        let mut calls = 0;
        while self.calls.is_none_or(|most| calls < most) {
            let model = async |_| {
                clock.sleep_until(clock.monotonic() + pause).await;
                Ok::<_, GuardedError>(((), self.actual))
            };
            let outcome = with_cycles(client, call.clone(), model).await;
            // Nobody looks any more where writing has failed.
            let _ = seen.send(Seen { agent: self.name, is_denied: outcome.is_err() });
            match outcome {
                Ok(()) => calls += 1,
                Err(error) => return (calls, Some(error)),
            }
        }
        (calls, None)
    }

    /// Waits for its workers.
    ///
    /// # Errors
    /// A call failed for another reason than its budget.
    pub(super) async fn ended(self, workers: Vec<JoinHandle<Worked>>) -> Result<Ended, Failure> {
        let (mut calls, mut denials, mut denied_because) = (0, 0, None);
        for worker in workers {
            let (worked, stopped) =
                worker.await.map_err(|error| Failure::Runtime(error.to_string()))?;
            calls += worked;
            match stopped {
                Some(error) if error.is_budget_exceeded() => {
                    denials += 1;
                    denied_because.get_or_insert_with(|| error.to_string());
                }
                Some(error) => return Err(Failure::Runtime(error.to_string())),
                None => {}
            }
        }
        let spent = Amount {
            amount: self.actual.amount.saturating_mul(i64::try_from(calls).unwrap_or(i64::MAX)),
            ..self.actual
        };
        Ok(Ended { agent: self.name, workers: self.workers, calls, spent, denials, denied_because })
    }
}
