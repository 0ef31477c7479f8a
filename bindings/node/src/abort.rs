//! Calls that JavaScript no longer waits for.

use std::future::Future;

use futures_util::future::{AbortHandle, AbortRegistration, Abortable};
use napi_derive::napi;
use parking_lot::Mutex;

use crate::envelope::Failure;

/// Ends the one call that it is passed to.
#[napi]
pub(crate) struct NativeAbort {
    handle: AbortHandle,
    registration: Mutex<Option<AbortRegistration>>,
}

#[napi]
impl NativeAbort {
    /// The call's connection is dropped; what the authority has read of it, it has read.
    #[napi]
    pub fn abort(&self) {
        self.handle.abort();
    }
}

impl NativeAbort {
    pub(crate) fn register(&self) -> Option<AbortRegistration> {
        self.registration.lock().take()
    }
}

/// A call that can be ended.
#[napi]
pub(crate) fn create_abort() -> NativeAbort {
    let (handle, registration) = AbortHandle::new_pair();
    NativeAbort { handle, registration: Mutex::new(Some(registration)) }
}

/// `call`, or a failure as soon as it is aborted; the façade throws the signal's reason then.
pub(crate) async fn unless_aborted<T>(
    registration: Option<AbortRegistration>,
    call: impl Future<Output = T>,
) -> Result<T, Failure> {
    match registration {
        None => Ok(call.await),
        Some(registration) => Abortable::new(call, registration)
            .await
            .map_err(|_| Failure::validation("the call was aborted")),
    }
}
