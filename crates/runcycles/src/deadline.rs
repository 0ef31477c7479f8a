//! The longest time of one call in all (`call_timeout`).

use std::pin::pin;

use cycles_protocol::{Error as Refusal, Operation};
use futures_util::future::{Either, select};

use crate::client::CyclesClient;

impl CyclesClient {
    /// Waits for `answer`, no longer than a call may take.
    ///
    /// # Errors
    /// Besides the answer's: kind `OutcomeUnknown` naming `call_timeout`.
    pub(crate) async fn bounded<T>(
        &self,
        operation: Operation,
        answer: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let Some(timeout) = self.call_timeout() else { return answer.await };
        let clock = self.clock();
        let deadline = clock.sleep_until(clock.monotonic() + timeout);
        match select(pin!(answer), deadline).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => {
                let error = Refusal::timed_out(format!(
                    "call did not end within call_timeout operation={} call_timeout_ms={}",
                    operation.as_str(),
                    timeout.as_millis()
                ));
                self.note_timeout(operation, &error);
                Err(error)
            }
        }
    }
}
