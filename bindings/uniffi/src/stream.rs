//! The stream.

use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use runcycles::document::{self, GuardRequest, StreamOptionsDocument, UsageDocument, foreign};
use runcycles::{CyclesClient, ErrorReport};

use crate::error::{NativeError, document, json};
use crate::guard::Parent;

/// Budget held for a stream; dropped unsettled, it is aborted. Like a guard, it exists before it
/// reserves.
#[derive(Debug, uniffi::Object)]
pub struct Stream {
    to_reserve: Mutex<Option<Opening>>,
    held: Arc<OnceLock<document::Stream>>,
}

#[derive(Debug)]
struct Opening {
    client: CyclesClient,
    request: GuardRequest,
    options: StreamOptionsDocument,
    parent: Option<document::Parent>,
}

#[uniffi::export]
impl Stream {
    /// Reserves what the stream was made for; works once.
    pub async fn reserve(&self) -> Result<(), NativeError> {
        let Some(opening) = self.to_reserve.lock().take() else {
            return Err(ErrorReport::internal("a stream reserves once").into());
        };
        let held = Arc::clone(&self.held);
        let reserved = foreign::detached(async move {
            let Opening { client, request, options, parent } = opening;
            let stream = document::begin_stream(&client, request, options, parent).await?;
            held.set(stream).map_err(|_| ErrorReport::internal("a stream reserves once"))
        });
        Ok(reserved.await??)
    }

    /// What its user may know of it, as JSON.
    pub fn context(&self) -> Result<String, NativeError> {
        Ok(reserved(&self.held)?.context().to_string())
    }

    /// This stream, for the calls inside it; `None` once it has settled.
    pub fn parent(&self) -> Result<Option<Arc<Parent>>, NativeError> {
        Ok(reserved(&self.held)?.as_parent().map(Parent::of))
    }

    /// Notes the JSON `usage` so far, for what calls inside the stream may draw.
    pub fn count(&self, usage: String) -> Result<(), NativeError> {
        reserved(&self.held)?.count(read(&usage));
        Ok(())
    }

    /// Ends when a lease is lost under the policy `cancel`, with an error report as JSON; may never.
    pub async fn lost(&self) -> Result<String, NativeError> {
        let lost = reserved(&self.held)?.lost();
        Ok(json(&lost.await))
    }

    /// Whether more output may flow after the JSON `usage` so far, as JSON.
    pub async fn proceed(&self, usage: String) -> Result<String, NativeError> {
        let held = Arc::clone(&self.held);
        let answered = foreign::detached(async move {
            Ok::<_, NativeError>(json(&reserved(&held)?.proceed(read(&usage)).await))
        });
        answered.await?
    }

    /// Commits the JSON `usage`; answers how the settlement stands.
    pub async fn finish(&self, usage: String) -> Result<String, NativeError> {
        let held = Arc::clone(&self.held);
        let settled = foreign::detached(async move {
            Ok::<_, NativeError>(json(&reserved(&held)?.finish(read(&usage)).await))
        });
        settled.await?
    }

    /// Commits the JSON `usage` where output was produced, else gives everything back; answers how
    /// the settlement stands.
    pub async fn abort(
        &self,
        usage: String,
        reason: Option<String>,
    ) -> Result<String, NativeError> {
        let held = Arc::clone(&self.held);
        let settled = foreign::detached(async move {
            Ok::<_, NativeError>(json(&reserved(&held)?.abort(read(&usage), reason).await))
        });
        settled.await?
    }
}

impl Stream {
    pub(crate) fn of(
        client: CyclesClient,
        request: GuardRequest,
        options: StreamOptionsDocument,
        parent: Option<document::Parent>,
    ) -> Arc<Self> {
        let opening = Opening { client, request, options, parent };
        Arc::new(Self { to_reserve: Mutex::new(Some(opening)), held: Arc::default() })
    }
}

/// The output has flowed: usage that cannot be read must not keep it from being booked.
fn read(usage: &str) -> UsageDocument {
    document("usage", usage).unwrap_or_default()
}

fn reserved(held: &OnceLock<document::Stream>) -> Result<&document::Stream, NativeError> {
    held.get().ok_or_else(|| ErrorReport::internal("the stream has not reserved").into())
}
