//! What happens in the background, for JavaScript: one call for each batch.

use napi::Status;
use napi::bindgen_prelude::spawn;
use napi::threadsafe_function::{ThreadsafeFunction, UnknownReturnValue};
use runcycles::Notifications;
use serde_json::Value;

use crate::envelope::document;

/// A function of the façade, which catches everything that its user throws. It is
/// weak: it does not keep the process alive.
pub(crate) type Listener =
    ThreadsafeFunction<Value, UnknownReturnValue, Value, Status, false, true>;

/// Hands batches over, the next one once the one before was taken, so that what
/// waits is bounded by the core's queue. Ends with the client, or with the
/// JavaScript environment.
pub(crate) fn pump(notifications: Notifications, listener: Listener) {
    spawn(async move {
        while let Some(batch) = notifications.next().await {
            if listener.call_async_catch(document(&batch)).await.is_err() {
                return;
            }
        }
    });
}
