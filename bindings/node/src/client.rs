//! Clients, remote and in process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use napi_derive::napi;
use parking_lot::Mutex;
use runcycles::document::{self, ConfigDocument, GuardRequest, ResponseDocument};
use runcycles::{CyclesClient, CyclesClientBuilder, TimeUnit};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::document::Document;
use crate::envelope::{self, Envelope, Failure, guarded, guarded_async};
use crate::guard::NativeGuard;
use crate::notifications::{self, Listener};
use crate::testing::NativeClock;

/// A client of the core, until it is closed.
#[napi]
pub(crate) struct NativeClient {
    client: Mutex<Option<CyclesClient>>,
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
    pub async fn send(&self, call: Document) -> Envelope<Value> {
        guarded_async(async {
            let call: SendDocument = call.read("call")?;
            let client = self.open()?;
            let body = match call.body {
                Value::Null => Vec::new(),
                body => body.to_string().into_bytes(),
            };
            let response =
                document::send(&client, &call.operation, call.reservation_id, call.query, body)
                    .await;
            Ok(response_document(&response))
        })
        .await
    }

    /// Reserves for a guarded call.
    #[napi]
    pub async fn begin(
        &self,
        request: Document,
        parent: Option<&NativeGuard>,
    ) -> Envelope<NativeGuard> {
        guarded_async(async {
            let parent = parent.and_then(NativeGuard::as_parent);
            let request: GuardRequest = request.read("guarded call")?;
            let client = self.open()?;
            Ok(NativeGuard::new(document::begin(&client, request, parent).await?))
        })
        .await
    }

    /// Waits for settlements under way; answers how many are left.
    #[napi]
    pub async fn flush(&self, timeout_ms: Document) -> Envelope<u32> {
        guarded_async(async {
            let timeout = timeout_ms.into_millis("timeout_ms")?;
            Ok(flush(&self.open()?, timeout).await)
        })
        .await
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
    pub(crate) fn new(client: CyclesClient) -> Self {
        Self { client: Mutex::new(Some(client)) }
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
        Ok(NativeClient::new(on_clock(builder, clock).build()))
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
        Ok(NativeClient::new(on_clock(builder, clock).embedded(&seed)?.build()))
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
