//! Clients, remote and in process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use napi_derive::napi;
use parking_lot::Mutex;
use runcycles::document::{
    self, ConfigDocument, GuardRequest, ResponseDocument, StreamOptionsDocument,
};
use runcycles::{CyclesClient, CyclesClientBuilder, TimeUnit};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::abort::{NativeAbort, unless_aborted};
use crate::document::{Document, Json, Payload};
use crate::envelope::{self, Answer, Envelope, Failure, Start, guarded, guarded_async};
use crate::guard::{NativeGuard, NativeParent};
use crate::notifications::{self, Listener};
use crate::stream::NativeStream;
use crate::testing::NativeClock;

/// A client of the core, until it is closed.
#[napi]
pub(crate) struct NativeClient {
    client: Mutex<Option<CyclesClient>>,
    start: Start,
}

/// A low-level call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendDocument {
    operation: String,
    #[serde(default)]
    reservation_id: Option<String>,
    #[serde(default)]
    query: Vec<(String, String)>,
    #[serde(default)]
    body: Value,
}

#[napi]
impl NativeClient {
    /// Sends a request as it is; answers `{status, body, headers, error_message}`.
    #[napi]
    pub fn send(&self, call: Json, abort: Option<&NativeAbort>) -> Answer<Payload> {
        let (client, registration) = (self.open(), abort.and_then(NativeAbort::register));
        Answer::of(self.start, async move {
            let call: SendDocument = call.read("call")?;
            let client = client?;
            let body = match call.body {
                Value::Null => Vec::new(),
                body => body.to_string().into_bytes(),
            };
            let SendDocument { operation, reservation_id, query, .. } = call;
            let response = unless_aborted(
                registration,
                document::send(&client, &operation, reservation_id, query, body),
            )
            .await?;
            Ok(Payload::of(&response_document(&response)))
        })
    }

    /// Reserves for a guarded call.
    #[napi]
    pub fn begin(&self, request: Json, parent: Option<&NativeParent>) -> Answer<NativeGuard> {
        let (client, start) = (self.open(), self.start);
        let parent = parent.map(NativeParent::parent);
        Answer::of(start, async move {
            let request: GuardRequest = request.read("guarded call")?;
            let client = client?;
            Ok(NativeGuard::new(document::begin(&client, request, parent).await?, start))
        })
    }

    /// Reserves for a stream, which is watched as `options` say.
    #[napi]
    pub fn begin_stream(
        &self,
        request: Json,
        options: Document,
        parent: Option<&NativeParent>,
    ) -> Answer<NativeStream> {
        let (client, start) = (self.open(), self.start);
        let parent = parent.map(NativeParent::parent);
        Answer::of(start, async move {
            let request: GuardRequest = request.read("guarded stream")?;
            let options: StreamOptionsDocument = options.read("stream options")?;
            let stream = document::begin_stream(&client?, request, options, parent).await?;
            Ok(NativeStream::new(stream, start))
        })
    }

    /// The settings in use.
    #[napi]
    pub fn config(&self) -> Envelope<Value> {
        guarded(|| Ok(envelope::document(&ConfigDocument::from(self.open()?.to_builder()))))
    }

    /// Waits for settlements under way; answers how many are left.
    #[napi]
    pub fn flush(&self, timeout_ms: Document, abort: Option<&NativeAbort>) -> Answer<u32> {
        let (client, registration) = (self.open(), abort.and_then(NativeAbort::register));
        Answer::of(Start::Elsewhere, async move {
            let timeout = timeout_ms.into_millis("timeout_ms")?;
            let client = client?;
            unless_aborted(registration, flush(&client, timeout)).await
        })
    }

    /// Further calls carry another key of the same tenant.
    #[napi]
    pub fn set_api_key(&self, api_key: Document) -> Envelope<Value> {
        guarded(|| {
            self.open()?.set_api_key(api_key.into_text()?.unwrap_or_default())?;
            Ok(Value::Null)
        })
    }

    /// How the settlement journal stands; `null` without one.
    #[napi]
    pub fn journal_stats(&self) -> Envelope<Value> {
        guarded(|| Ok(envelope::document(&self.open()?.journal_stats())))
    }

    /// What has happened in the background and nobody has taken yet.
    #[napi]
    pub fn take_notifications(&self) -> Envelope<Value> {
        guarded(|| Ok(envelope::document(&self.open()?.notifications().take())))
    }

    /// Calls `listener` with every batch until the client ends.
    #[napi]
    pub fn listen(&self, listener: Listener) -> Envelope<Value> {
        guarded(|| {
            notifications::pump(self.open()?.notifications(), listener);
            Ok(Value::Null)
        })
    }

    /// Flushes, then lets go of the connections; answers how many settlements are left.
    #[napi]
    pub async fn close(&self, timeout_ms: Document) -> Envelope<u32> {
        guarded_async(async {
            let timeout = timeout_ms.into_millis("timeout_ms")?;
            let client = self.client.lock().take();
            Ok(match client {
                Some(client) => flush(&client, timeout).await,
                None => 0,
            })
        })
        .await
    }
}

impl NativeClient {
    pub(crate) fn new(client: CyclesClient, start: Start) -> Self {
        Self { client: Mutex::new(Some(client)), start }
    }

    fn open(&self) -> Result<CyclesClient, Failure> {
        self.client.lock().clone().ok_or_else(|| Failure::validation("the client is closed"))
    }
}

async fn flush(client: &CyclesClient, timeout: Duration) -> u32 {
    let left = client.flush_pending_commits_with_timeout(timeout).await;
    u32::try_from(left).unwrap_or(u32::MAX)
}

fn response_document(response: &ResponseDocument) -> Value {
    // A body that is not JSON, such as a proxy's error page, is passed as text.
    let body = match response.body.as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    };
    json!({
        "status": response.status,
        "body": body,
        "headers": response.headers,
        "error_message": response.error_message,
    })
}

/// A client of the authority at `base_url`.
#[napi]
pub(crate) fn create_client(
    config: Document,
    clock: Option<&NativeClock>,
) -> Envelope<NativeClient> {
    guarded(|| {
        let builder = config.read::<ConfigDocument>("configuration")?.into_remote_builder()?;
        Ok(NativeClient::new(on_clock(builder, clock).build(), Start::Elsewhere))
    })
}

/// A client with an authority of its own, holding the seed.
#[napi]
pub(crate) fn embedded_client(
    seed: Document,
    config: Document,
    clock: Option<&NativeClock>,
) -> Envelope<NativeClient> {
    guarded(|| {
        let seed = seed.into_text()?.unwrap_or_default();
        let builder = config.read::<ConfigDocument>("configuration")?.into_builder()?;
        let client = on_clock(builder, clock).embedded(&seed)?.build();
        Ok(NativeClient::new(client, Start::Here))
    })
}

fn on_clock(builder: CyclesClientBuilder, clock: Option<&NativeClock>) -> CyclesClientBuilder {
    match clock {
        Some(clock) => builder.clock(Arc::new(clock.clock())),
        None => builder,
    }
}

/// Reads a configuration from environment variables. They come from JavaScript, because a
/// worker thread there has variables of its own.
#[napi]
pub(crate) fn config_from_env(prefix: Document, variables: Document) -> Envelope<Value> {
    guarded(|| {
        let prefix = prefix.into_text()?.unwrap_or_default();
        let variables: HashMap<String, String> = variables.read("environment")?;
        let get = |name: &str| variables.get(name).cloned();
        let builder = CyclesClientBuilder::from_vars(&prefix, TimeUnit::Milliseconds, get)?;
        Ok(envelope::document(&ConfigDocument::from(builder)))
    })
}

/// A configuration with the core's defaults for what it leaves out.
#[napi]
pub(crate) fn complete_config(config: Document) -> Envelope<Value> {
    guarded(|| {
        let builder = config.read::<ConfigDocument>("configuration")?.into_builder()?;
        Ok(envelope::document(&ConfigDocument::from(builder)))
    })
}
