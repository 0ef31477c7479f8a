//! The client.

use std::sync::Arc;
use std::time::Duration;

use cycles_protocol::Error as Refusal;
use parking_lot::RwLock;
use runcycles::document::foreign;
use runcycles::document::{self, ConfigDocument};
use runcycles::{CyclesClient, CyclesClientBuilder, ErrorReport, TimeUnit};

use crate::clock::ManualClock;
use crate::error::{NativeError, document, json};
use crate::guard::{Guard, Parent};
use crate::notifications::NotificationQueue;
use crate::stream::Stream;

/// A client of an authority, remote or in process.
#[derive(Debug, uniffi::Object)]
pub struct CyclesCore {
    client: RwLock<Option<CyclesClient>>,
}

/// A name with its value: a query parameter or a header.
#[derive(Debug, uniffi::Record)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// The answer to a low-level request, refusals included.
#[derive(Debug, uniffi::Record)]
pub struct NativeResponse {
    /// The HTTP status; -1 when no answer came.
    pub status: i32,
    /// The body as received.
    pub body: String,
    /// Names in lower case.
    pub headers: Vec<Field>,
    /// Why no answer came.
    pub error_message: Option<String>,
}

#[uniffi::export]
impl CyclesCore {
    /// A client of the remote authority that the JSON `config` names.
    #[uniffi::constructor]
    pub fn new(config: String, clock: Option<Arc<ManualClock>>) -> Result<Arc<Self>, NativeError> {
        let builder = document::<ConfigDocument>("config", &config)?.into_remote_builder()?;
        Ok(Self::of(on_clock(builder, clock).build()))
    }

    /// A client set up by environment variables. `timeout_unit` (`s` or `ms`)
    /// is that of times whose name carries none.
    #[uniffi::constructor]
    pub fn from_env(prefix: String, timeout_unit: String) -> Result<Arc<Self>, NativeError> {
        let unit = match timeout_unit.as_str() {
            "s" => TimeUnit::Seconds,
            "ms" => TimeUnit::Milliseconds,
            _ => {
                return Err(config_error(format!(
                    "timeout_unit is s or ms timeout_unit={timeout_unit:?}"
                )));
            }
        };
        let builder =
            CyclesClientBuilder::from_vars(&prefix, unit, |name| std::env::var(name).ok())
                .map_err(ErrorReport::from)?;
        Ok(Self::of(builder.build()))
    }

    /// A client with an authority of its own, in process, holding `seed` (YAML or JSON).
    #[uniffi::constructor]
    pub fn embedded(
        seed: String,
        config: String,
        clock: Option<Arc<ManualClock>>,
    ) -> Result<Arc<Self>, NativeError> {
        let builder = document::<ConfigDocument>("config", &config)?.into_builder()?;
        let _entered = foreign::enter();
        let builder = on_clock(builder, clock).embedded(&seed).map_err(ErrorReport::from)?;
        Ok(Self::of(builder.build()))
    }

    /// Sends a request in wire form. No answer is an answer too, of status -1.
    pub async fn send(
        &self,
        operation: String,
        reservation_id: Option<String>,
        query: Vec<Field>,
        body: Option<String>,
    ) -> Result<NativeResponse, NativeError> {
        let client = self.client()?;
        let query = query.into_iter().map(|field| (field.name, field.value)).collect();
        let body = body.unwrap_or_default().into_bytes();
        let answer = foreign::detached(async move {
            document::send(&client, &operation, reservation_id, query, body).await
        });
        let answer = answer.await?;
        Ok(NativeResponse {
            status: answer.status,
            body: answer.body,
            headers: answer
                .headers
                .into_iter()
                .map(|(name, value)| Field { name, value })
                .collect(),
            error_message: answer.error_message,
        })
    }

    /// A guard for what the JSON `request` says, made inside the call of `parent`; nothing is held
    /// until it reserves.
    pub fn guard(
        &self,
        request: String,
        parent: Option<Arc<Parent>>,
    ) -> Result<Arc<Guard>, NativeError> {
        let request = document("guard request", &request)?;
        Ok(Guard::of(self.client()?, request, parent.map(|parent| parent.handle())))
    }

    /// A stream for what the JSON `request` says, watched as the JSON `options` say, made inside the
    /// call of `parent`; nothing is held until it reserves.
    pub fn stream(
        &self,
        request: String,
        options: String,
        parent: Option<Arc<Parent>>,
    ) -> Result<Arc<Stream>, NativeError> {
        let request = document("stream request", &request)?;
        let options = document("stream options", &options)?;
        let parent = parent.map(|parent| parent.handle());
        Ok(Stream::of(self.client()?, request, options, parent))
    }

    /// Waits for settlements in the background; answers how many are left.
    pub async fn flush(&self, timeout_ms: u64) -> Result<u64, NativeError> {
        let client = self.client()?;
        let left = foreign::detached(async move {
            client.flush_pending_commits_with_timeout(Duration::from_millis(timeout_ms)).await
        });
        Ok(left.await? as u64)
    }

    /// Further calls carry another key of the same tenant.
    pub fn set_api_key(&self, api_key: String) -> Result<(), NativeError> {
        let _entered = foreign::enter();
        Ok(self.client()?.set_api_key(api_key).map_err(ErrorReport::from)?)
    }

    /// How the settlement journal stands, as JSON; `None` without one.
    pub fn journal_stats(&self) -> Result<Option<String>, NativeError> {
        Ok(self.client()?.journal_stats().as_ref().map(json))
    }

    /// What happens in the background.
    pub fn notifications(&self) -> Result<Arc<NotificationQueue>, NativeError> {
        Ok(NotificationQueue::of(self.client()?.notifications()))
    }

    /// Refuses further calls. What is under way goes on.
    pub fn shutdown(&self) {
        let _entered = foreign::enter();
        self.client.write().take();
    }
}

impl CyclesCore {
    pub(crate) fn of(client: CyclesClient) -> Arc<Self> {
        Arc::new(Self { client: RwLock::new(Some(client)) })
    }

    fn client(&self) -> Result<CyclesClient, NativeError> {
        self.client
            .read()
            .clone()
            .ok_or_else(|| config_error("client is closed; create a new one".to_owned()))
    }
}

impl Drop for CyclesCore {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn on_clock(builder: CyclesClientBuilder, clock: Option<Arc<ManualClock>>) -> CyclesClientBuilder {
    match clock {
        Some(clock) => builder.clock(clock.shared()),
        None => builder,
    }
}

fn config_error(message: String) -> NativeError {
    ErrorReport::from(Refusal::config(message)).into()
}
