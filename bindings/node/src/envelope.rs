//! What every export answers: `{ok: …}` or `{error: …}`, never an exception.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;
use napi::bindgen_prelude::{
    JsObjectValue, Object, PromiseRaw, ToNapiValue, within_runtime_if_available,
};
use napi::{Env, sys};
use runcycles::{Error, ErrorReport};
use serde::Serialize;
use serde_json::{Value, json};

/// An [`ErrorReport`] as a document.
#[derive(Debug)]
pub(crate) struct Failure(Value);

impl Failure {
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self(json!({ "kind": "Validation", "message": message.into() }))
    }

    fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        ErrorReport::internal(format!("panic in the native core: {text}")).into()
    }
}

impl From<ErrorReport> for Failure {
    fn from(report: ErrorReport) -> Self {
        Self(document(&report))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        ErrorReport::from(error).into()
    }
}

/// A value of the core as a document; the core's own types always make one.
pub(crate) fn document(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// The answer of an export.
#[derive(Debug)]
pub(crate) struct Envelope<T>(Result<T, Failure>);

impl<T: ToNapiValue> ToNapiValue for Envelope<T> {
    #[expect(
        unsafe_code,
        reason = "napi hands over raw handles, valid for the duration of the call"
    )]
    unsafe fn to_napi_value(
        raw_env: sys::napi_env,
        envelope: Self,
    ) -> napi::Result<sys::napi_value> {
        let mut object = Object::new(&Env::from(raw_env))?;
        match envelope.0 {
            Ok(value) => object.set_named_property("ok", value)?,
            Err(Failure(report)) => object.set_named_property("error", report)?,
        }
        unsafe { Object::to_napi_value(raw_env, object) }
    }
}

/// Runs `body`; a panic becomes an internal failure and the process lives on.
pub(crate) fn guarded<T>(body: impl FnOnce() -> Result<T, Failure>) -> Envelope<T> {
    Envelope(
        catch_unwind(AssertUnwindSafe(body))
            .unwrap_or_else(|payload| Err(Failure::panicked(&*payload))),
    )
}

/// The same for asynchronous work.
pub(crate) async fn guarded_async<T>(
    body: impl Future<Output = Result<T, Failure>>,
) -> Envelope<T> {
    Envelope(
        AssertUnwindSafe(body)
            .catch_unwind()
            .await
            .unwrap_or_else(|payload| Err(Failure::panicked(&*payload))),
    )
}

/// What an export answers that may have its answer at once: an envelope, or the promise of
/// one. JavaScript awaits either.
pub(crate) struct Answer<T>(Progress<T>);

enum Progress<T> {
    Ready(Envelope<T>),
    Running(Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>>),
}

/// Where a call begins to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// On the calling thread, as far as it gets without waiting: an authority in process
    /// answers in less time than a change of threads takes.
    Here,
    /// On a worker.
    Elsewhere,
}

impl<T: 'static> Answer<T> {
    /// Begins `body`.
    pub(crate) fn of(
        start: Start,
        body: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Self {
        // Boxed before anything is put around it: it is large, and each layer would move it.
        let mut body: Pin<Box<dyn Future<Output = Result<T, Failure>> + Send>> = Box::pin(body);
        if start == Start::Here {
            // Whoever runs it on is told its own waker.
            let mut context = Context::from_waker(Waker::noop());
            let poll = || within_runtime_if_available(|| body.as_mut().poll(&mut context));
            match catch_unwind(AssertUnwindSafe(poll)) {
                Ok(Poll::Ready(result)) => return Self(Progress::Ready(Envelope(result))),
                Ok(Poll::Pending) => {}
                Err(payload) => return Self::failed(Failure::panicked(&*payload)),
            }
        }
        Self(Progress::Running(body))
    }

    /// A failure before anything began.
    pub(crate) fn failed(failure: Failure) -> Self {
        Self(Progress::Ready(Envelope(Err(failure))))
    }
}

impl<T: ToNapiValue + Send + 'static> ToNapiValue for Answer<T> {
    #[expect(
        unsafe_code,
        reason = "napi hands over raw handles, valid for the duration of the call"
    )]
    unsafe fn to_napi_value(raw_env: sys::napi_env, answer: Self) -> napi::Result<sys::napi_value> {
        match answer.0 {
            Progress::Ready(envelope) => unsafe { Envelope::to_napi_value(raw_env, envelope) },
            Progress::Running(body) => {
                let env = Env::from(raw_env);
                let promise = env.spawn_future(async { Ok(guarded_async(body).await) })?;
                unsafe { PromiseRaw::to_napi_value(raw_env, promise) }
            }
        }
    }
}
