//! Manual clock and test server for the tests of the package and of its users.

use std::time::Duration;

use cycles_testkit::{
    ManualClock, TestServer, budget_document, client_document, count_document, inject_document,
    pending_faults_document, wait_for_document, wait_for_faults_document,
};
use napi_derive::napi;
use runcycles::ErrorReport;
use runcycles::document::ConfigDocument;
use serde::Deserialize;
use serde_json::Value;

use crate::client::NativeClient;
use crate::document::Document;
use crate::envelope::{Envelope, Start, guarded, guarded_async};

/// A clock that only moves when told.
#[napi]
pub(crate) struct NativeClock {
    clock: ManualClock,
}

#[napi]
impl NativeClock {
    /// Moves the time forward.
    #[napi]
    pub fn advance(&self, ms: Document) -> Envelope<()> {
        guarded(|| {
            self.clock.advance(ms.into_millis("ms")?);
            Ok(())
        })
    }

    /// Milliseconds since 1970.
    #[napi]
    pub fn now_ms(&self) -> Envelope<i64> {
        guarded(|| Ok(self.clock.now_ms()))
    }
}

impl NativeClock {
    pub(crate) fn clock(&self) -> ManualClock {
        self.clock.clone()
    }
}

/// A clock that stands at `start_ms`.
#[napi]
pub(crate) fn create_clock(start_ms: Document) -> Envelope<NativeClock> {
    guarded(|| {
        let start_ms: i64 = start_ms.read("start_ms")?;
        Ok(NativeClock { clock: ManualClock::starting_at(start_ms) })
    })
}

/// An authority for one test.
#[napi]
pub(crate) struct NativeTestServer {
    server: TestServer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientOptions {
    #[serde(default)]
    key: Option<String>,
    transport: String,
    config: ConfigDocument,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    operation: String,
    count: usize,
    timeout_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultWait {
    operation: String,
    timeout_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetQuery {
    scope: String,
    unit: String,
}

#[napi]
impl NativeTestServer {
    /// Where it listens.
    #[napi]
    pub fn base_url(&self) -> Envelope<String> {
        guarded(|| Ok(self.server.base_url().to_owned()))
    }

    /// The operator's key.
    #[napi]
    pub fn admin_key(&self) -> Envelope<String> {
        guarded(|| Ok(self.server.admin_key().to_owned()))
    }

    /// The secret of the key called `name`, or of the first one.
    #[napi]
    pub fn api_key(&self, name: Document) -> Envelope<String> {
        guarded(|| {
            let name = name.into_text()?;
            Ok(self.server.api_key(name.as_deref()).map_err(ErrorReport::from)?.to_owned())
        })
    }

    /// A client, over HTTP or in process.
    #[napi]
    pub fn client(&self, options: Document) -> Envelope<NativeClient> {
        guarded(|| {
            let ClientOptions { key, transport, config } = options.read("client options")?;
            let client = client_document(&self.server, config, key.as_deref(), &transport)?;
            let start = if transport == "local" { Start::Here } else { Start::Elsewhere };
            Ok(NativeClient::new(client, start))
        })
    }

    /// Waits until an operation was answered successfully so many times.
    #[napi]
    pub async fn wait_for(&self, wait: Document) -> Envelope<()> {
        guarded_async(async {
            let wait: Wait = wait.read("wait")?;
            let timeout = Duration::from_millis(wait.timeout_ms);
            wait_for_document(&self.server, &wait.operation, wait.count, timeout).await?;
            Ok(())
        })
        .await
    }

    /// Lets coming calls of an operation go wrong.
    #[napi]
    pub fn inject(&self, fault: Document) -> Envelope<()> {
        guarded(|| Ok(inject_document(&self.server, &fault.read("fault")?)?))
    }

    /// Forgets the faults that have not fired.
    #[napi]
    pub fn clear_faults(&self) -> Envelope<()> {
        guarded(|| {
            self.server.clear_faults();
            Ok(())
        })
    }

    /// The faults that have not fired.
    #[napi]
    pub fn pending_faults(&self) -> Envelope<Value> {
        guarded(|| Ok(pending_faults_document(&self.server)))
    }

    /// Waits until all faults of an operation have fired.
    #[napi]
    pub async fn wait_for_faults(&self, wait: Document) -> Envelope<()> {
        guarded_async(async {
            let FaultWait { operation, timeout_ms } = wait.read("wait")?;
            let timeout = Duration::from_millis(timeout_ms);
            wait_for_faults_document(&self.server, &operation, timeout).await?;
            Ok(())
        })
        .await
    }

    /// How often an operation was answered successfully.
    #[napi]
    pub fn count(&self, operation_name: Document) -> Envelope<u32> {
        guarded(|| {
            let name = operation_name.into_text()?.unwrap_or_default();
            let count = count_document(&self.server, &name)?;
            Ok(u32::try_from(count).unwrap_or(u32::MAX))
        })
    }

    /// The budget of `scope` in `unit` as flat integers.
    #[napi]
    pub fn budget(&self, query: Document) -> Envelope<Value> {
        guarded(|| {
            let BudgetQuery { scope, unit } = query.read("budget query")?;
            Ok(budget_document(&self.server, &scope, &unit).map_err(ErrorReport::from)?)
        })
    }

    /// Stops listening.
    #[napi]
    pub async fn shutdown(&self) -> Envelope<()> {
        guarded_async(async { Ok(self.server.shutdown().await.map_err(ErrorReport::from)?) }).await
    }
}

/// Starts an authority holding the seed, on a free port.
#[napi]
pub(crate) fn start_test_server(
    seed: Document,
    clock: Option<&NativeClock>,
) -> Envelope<NativeTestServer> {
    guarded(|| {
        let seed = seed.into_text()?.unwrap_or_default();
        let started = napi::bindgen_prelude::block_on(async {
            match clock {
                Some(clock) => TestServer::start_with_clock(&seed, clock.clock()).await,
                None => TestServer::start(&seed).await,
            }
        });
        Ok(NativeTestServer { server: started.map_err(ErrorReport::from)? })
    })
}
