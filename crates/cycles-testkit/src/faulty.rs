//! An authority whose calls meet the faults that a test injected.

use std::sync::Arc;

use cycles_protocol::authority::Answered;
use cycles_protocol::{
    Answer, Authority, BoxFuture, Call, Conforms, Error, Operation, RawRequest, RawResponse,
    conforms,
};

use crate::fault::{self, Effect};
use crate::faults::Faults;
use crate::wrapper::wraps;

/// Stands in front of an authority, in process and under the HTTP server alike.
///
/// A dropped answer is `Err` without a status; the test server's listener then
/// hangs up ([`cycles_server::Unanswered::HangUp`]).
#[derive(Debug)]
pub(crate) struct Faulty {
    inner: Arc<dyn Authority>,
    faults: Faults,
}

impl Faulty {
    pub(crate) fn new(inner: Arc<dyn Authority>, faults: Faults) -> Self {
        Self { inner, faults }
    }

    /// The typed call of a client in process: it gets what a client over HTTP
    /// would have read.
    async fn answered<T: Conforms>(
        &self,
        call: &Call,
        operation: Operation,
        answer: Answered<'_, T>,
    ) -> Result<Answer<T>, Error> {
        let Some(hit) = self.faults.next(operation) else { return answer.await };
        match &hit.effect {
            Effect::DropBefore => Err(dropped(operation)),
            Effect::DropAfter => {
                let _lost = answer.await;
                Err(dropped(operation))
            }
            Effect::Delay(delay) => {
                self.faults.hold(&hit, *delay).await;
                answer.await
            }
            Effect::Status { status, code, retry_after } => {
                read(&fault::refusal(call, *status, *code, *retry_after))
            }
            Effect::Malformed { body } => {
                let status = match answer.await {
                    Ok(_) => T::STATUS,
                    Err(refusal) => refusal.status().unwrap_or(500),
                };
                let body = body.clone().into_bytes();
                read(&RawResponse { status, headers: Vec::new(), body })
            }
        }
    }

    /// The call in wire form: of the HTTP server, and of low-level clients.
    async fn answered_raw(&self, call: &Call, request: RawRequest) -> Result<RawResponse, Error> {
        let operation = request.operation;
        let inner = self.inner.send(call, request);
        let Some(hit) = self.faults.next(operation) else { return inner.await };
        match &hit.effect {
            Effect::DropBefore => Err(dropped(operation)),
            Effect::DropAfter => {
                let _lost = inner.await;
                Err(dropped(operation))
            }
            Effect::Delay(delay) => {
                self.faults.hold(&hit, *delay).await;
                inner.await
            }
            Effect::Status { status, code, retry_after } => {
                Ok(fault::refusal(call, *status, *code, *retry_after))
            }
            Effect::Malformed { body } => {
                let answer = inner.await?;
                Ok(fault::injected(RawResponse { body: body.clone().into_bytes(), ..answer }))
            }
        }
    }
}

fn read<T: Conforms>(response: &RawResponse) -> Result<Answer<T>, Error> {
    conforms::read(response).map(Answer::local)
}

fn dropped(operation: Operation) -> Error {
    let operation = operation.as_str();
    Error::outcome_unknown(
        None,
        format!("connection broke reason=a fault of the test server operation={operation}"),
    )
}

wraps!(Faulty {
    fn send<'a>(
        &'a self,
        call: &'a Call,
        request: RawRequest,
    ) -> BoxFuture<'a, Result<RawResponse, Error>> {
        Box::pin(self.answered_raw(call, request))
    }
});
