//! `Client`: what both Python clients call.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::IntoPyObjectExt;
use pyo3::prelude::*;
use runcycles::document::{
    self, ConfigDocument, GuardRequest, ResponseDocument, StreamOptionsDocument,
};
use runcycles::{CyclesClient, CyclesClientBuilder, ErrorReport, TimeUnit};

use crate::bridge::{self, Begin, OnCancel};
use crate::errors::{self, caught};
use crate::guard::Guard;
use crate::notifications::Notifications;
use crate::runtime::{self, block};
use crate::stream::Stream;
use crate::testing::ManualClock;

/// Status, body, headers and transport problem of a low-level answer.
pub(crate) type RawResponse = (i32, Option<String>, Vec<(String, String)>, Option<String>);

/// Longest that settlements of a client which nobody holds any more are
/// remembered; the process's end waits for them.
const ORPHANED_SETTLEMENTS: Duration = Duration::from_secs(3_600);

/// A client of one authority, for sync and async callers alike.
#[pyclass(frozen, weakref, module = "runcycles._native")]
pub(crate) struct Client {
    state: Mutex<State>,
    /// How to connect again in a forked child; `None` for an authority in
    /// process, which stays with the process that made it.
    remote: bool,
    clock: Option<ManualClock>,
}

struct State {
    era: u64,
    client: Option<CyclesClient>,
}

#[pymethods]
impl Client {
    #[new]
    #[pyo3(signature = (config, clock = None))]
    fn new(py: Python<'_>, config: &str, clock: Option<&Bound<'_, ManualClock>>) -> PyResult<Self> {
        caught(|| {
            let clock = clock.map(|clock| clock.get().clone());
            let builder = read_config(config)?.into_remote_builder().map_err(raise)?;
            let client = on_clock(builder, clock.as_ref()).build();
            Ok(Self::around(py, client, true, clock))
        })
    }

    /// A client with its own authority in this process.
    #[staticmethod]
    #[pyo3(signature = (seed, config, clock = None))]
    fn embedded(
        py: Python<'_>,
        seed: &str,
        config: &str,
        clock: Option<&Bound<'_, ManualClock>>,
    ) -> PyResult<Self> {
        caught(|| {
            let clock = clock.map(|clock| clock.get().clone());
            let builder = read_config(config)?.into_builder().map_err(raise)?;
            let builder = on_clock(builder, clock.as_ref())
                .embedded(seed)
                .map_err(|error| raise(error.into()))?;
            Ok(Self::around(py, builder.build(), false, clock))
        })
    }

    fn send(
        &self,
        py: Python<'_>,
        operation: String,
        reservation_id: Option<String>,
        query: Vec<(String, String)>,
        body: Option<String>,
    ) -> PyResult<RawResponse> {
        caught(|| {
            let client = self.client(py)?;
            let answer = block(py, async move {
                document::send(&client, &operation, reservation_id, query, bytes(body)).await
            })?;
            Ok(raw(answer))
        })
    }

    fn send_async<'py>(
        &self,
        py: Python<'py>,
        operation: String,
        reservation_id: Option<String>,
        query: Vec<(String, String)>,
        body: Option<String>,
    ) -> PyResult<Bound<'py, PyAny>> {
        caught(|| {
            let client = self.client(py)?;
            let work = async move {
                document::send(&client, &operation, reservation_id, query, bytes(body)).await
            };
            bridge::spawn(py, self.begin_at(), OnCancel::Abort, work, |py, answer| {
                object(py, raw(answer))
            })
        })
    }

    #[pyo3(signature = (request, parent = None))]
    fn begin(
        &self,
        py: Python<'_>,
        request: &str,
        parent: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Guard> {
        caught(|| {
            let (client, request) = (self.client(py)?, read_guard_request(request)?);
            let (parent, at) = (as_parent(parent), self.begin_at());
            let begun = block(py, async move { document::begin(&client, request, parent).await })?;
            begun.map(|guard| Guard::new(guard, at)).map_err(raise)
        })
    }

    #[pyo3(signature = (request, parent = None))]
    fn begin_async<'py>(
        &self,
        py: Python<'py>,
        request: &str,
        parent: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        caught(|| {
            let (client, request) = (self.client(py)?, read_guard_request(request)?);
            // Goes on when cancelled: only a guard that arrives can be released.
            let (parent, at) = (as_parent(parent), self.begin_at());
            let work = async move { document::begin(&client, request, parent).await };
            bridge::spawn(py, at, OnCancel::GoOn, work, move |py, begun| {
                object(py, begun.map(|guard| Guard::new(guard, at)).map_err(raise)?)
            })
        })
    }

    #[pyo3(signature = (request, options, parent = None))]
    fn begin_stream(
        &self,
        py: Python<'_>,
        request: &str,
        options: &str,
        parent: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Stream> {
        caught(|| {
            let (client, request) = (self.client(py)?, read_guard_request(request)?);
            let (options, parent) = (read_stream_options(options)?, as_parent(parent));
            let at = self.begin_at();
            let begun = block(py, async move {
                document::begin_stream(&client, request, options, parent).await
            })?;
            begun.map(|stream| Stream::new(stream, at)).map_err(raise)
        })
    }

    #[pyo3(signature = (request, options, parent = None))]
    fn begin_stream_async<'py>(
        &self,
        py: Python<'py>,
        request: &str,
        options: &str,
        parent: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        caught(|| {
            let (client, request) = (self.client(py)?, read_guard_request(request)?);
            let (options, parent) = (read_stream_options(options)?, as_parent(parent));
            let at = self.begin_at();
            let work =
                async move { document::begin_stream(&client, request, options, parent).await };
            bridge::spawn(py, at, OnCancel::GoOn, work, move |py, begun| {
                object(py, begun.map(|stream| Stream::new(stream, at)).map_err(raise)?)
            })
        })
    }

    fn flush(&self, py: Python<'_>, timeout_ms: u64) -> PyResult<usize> {
        caught(|| {
            let Some(client) = self.used_client(py) else { return Ok(0) };
            block(py, async move { flush(client, timeout_ms).await })
        })
    }

    fn flush_async<'py>(&self, py: Python<'py>, timeout_ms: u64) -> PyResult<Bound<'py, PyAny>> {
        caught(|| {
            let client = self.used_client(py);
            let work = async move {
                match client {
                    Some(client) => flush(client, timeout_ms).await,
                    None => 0,
                }
            };
            bridge::spawn(py, Begin::Elsewhere, OnCancel::Abort, work, object)
        })
    }

    /// Further calls carry another key of the same tenant.
    fn set_api_key(&self, py: Python<'_>, api_key: &str) -> PyResult<()> {
        caught(|| self.client(py)?.set_api_key(api_key).map_err(|error| raise(error.into())))
    }

    /// How the settlement journal stands, as JSON; `None` without one.
    fn journal_stats(&self, py: Python<'_>) -> PyResult<Option<String>> {
        caught(|| {
            let stats = self.client(py)?.journal_stats();
            let written = stats.map(|stats| serde_json::to_string(&stats)).transpose();
            written.map_err(|error| {
                errors::internal(&format!("journal statistics cannot be written reason={error}"))
            })
        })
    }

    fn notifications(&self, py: Python<'_>) -> PyResult<Notifications> {
        caught(|| Ok(Notifications::new(self.client(py)?.notifications())))
    }

    /// Ends the client; what is under way goes on.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        caught(|| {
            let closed = self.state().client.take();
            remember_settlements(py, closed);
            Ok(())
        })
    }
}

impl Client {
    pub(crate) fn around(
        py: Python<'_>,
        client: CyclesClient,
        remote: bool,
        clock: Option<ManualClock>,
    ) -> Self {
        let state = State { era: runtime::era_number(py), client: Some(client) };
        Self { state: Mutex::new(state), remote, clock }
    }

    const fn begin_at(&self) -> Begin {
        if self.remote { Begin::Elsewhere } else { Begin::Here }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The core's client, connected again in a forked child: an inherited
    /// connection belongs to threads that do not exist here.
    fn client(&self, py: Python<'_>) -> PyResult<CyclesClient> {
        let mut state = self.state();
        let era = runtime::era_number(py);
        let inherited = if state.era != era && self.remote { state.client.take() } else { None };
        if let Some(inherited) = inherited {
            let builder = on_clock(inherited.to_builder(), self.clock.as_ref());
            std::mem::forget(inherited);
            state.client = Some(builder.build());
            state.era = era;
        }
        state
            .client
            .clone()
            .ok_or_else(|| errors::validation("the client is closed; make a new one"))
    }

    /// The core's client if this process has used it.
    fn used_client(&self, py: Python<'_>) -> Option<CyclesClient> {
        let state = self.state();
        state.client.clone().filter(|_| state.era == runtime::era_number(py))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let (era, client) = (state.era, state.client.take());
        Python::try_attach(|py| {
            if era == runtime::era_number(py) {
                remember_settlements(py, client);
            } else {
                std::mem::forget(client);
            }
        });
    }
}

/// Lets the end of the process wait for what `client` still has to settle.
fn remember_settlements(py: Python<'_>, client: Option<CyclesClient>) {
    if let (Some(client), Some(era)) = (client, runtime::begun(py)) {
        era.spawn_settling(async move {
            client.flush_pending_commits_with_timeout(ORPHANED_SETTLEMENTS).await;
        });
    }
}

/// Waits for the settlements of all `clients`, in one timeout; answers how many
/// remain.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "pyo3 hands a list over as a Vec")]
pub(crate) fn flush_all(
    py: Python<'_>,
    clients: Vec<Bound<'_, Client>>,
    timeout_ms: u64,
) -> PyResult<usize> {
    caught(|| {
        let clients = clients.iter().filter_map(|client| client.get().used_client(py));
        let flushes: Vec<_> = clients.map(|client| flush(client, timeout_ms)).collect();
        if flushes.is_empty() {
            return Ok(0);
        }
        let left = block(py, futures_util::future::join_all(flushes))?;
        Ok(left.iter().sum())
    })
}

async fn flush(client: CyclesClient, timeout_ms: u64) -> usize {
    client.flush_pending_commits_with_timeout(Duration::from_millis(timeout_ms)).await
}

/// The settings in `prefix…` variables as a config document; times without a
/// unit are in seconds, as users of the Python package know them.
#[pyfunction]
pub(crate) fn config_from_env(prefix: &str) -> PyResult<String> {
    caught(|| {
        let get = |name: &str| std::env::var(name).ok();
        let builder = CyclesClientBuilder::from_vars(prefix, TimeUnit::Seconds, get)
            .map_err(|error| raise(error.into()))?;
        let document = serde_json::to_string(&ConfigDocument::from(builder));
        document.map_err(|error| {
            errors::internal(&format!("settings cannot be written reason={error}"))
        })
    })
}

fn on_clock(builder: CyclesClientBuilder, clock: Option<&ManualClock>) -> CyclesClientBuilder {
    match clock {
        Some(clock) => builder.clock(clock.shared()),
        None => builder,
    }
}

pub(crate) fn read_config(config: &str) -> PyResult<ConfigDocument> {
    document::read("config", parse("config", config)?).map_err(raise)
}

/// The guarded call or stream that another one is made inside of.
fn as_parent(parent: Option<&Bound<'_, PyAny>>) -> Option<document::Parent> {
    let parent = parent?;
    match parent.cast::<Guard>() {
        Ok(guard) => guard.get().as_parent(),
        Err(_) => parent.cast::<Stream>().ok()?.get().as_parent(),
    }
}

fn read_stream_options(options: &str) -> PyResult<StreamOptionsDocument> {
    document::read("stream", parse("stream", options)?).map_err(raise)
}

fn read_guard_request(request: &str) -> PyResult<GuardRequest> {
    document::read("guarded call", parse("guarded call", request)?).map_err(raise)
}

pub(crate) fn parse(what: &str, text: &str) -> PyResult<serde_json::Value> {
    serde_json::from_str(text)
        .map_err(|error| errors::validation(&format!("{what} is not JSON: {error}")))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err takes")]
pub(crate) fn raise(report: ErrorReport) -> PyErr {
    errors::from_report(&report)
}

pub(crate) fn object<T: for<'py> IntoPyObject<'py>>(
    py: Python<'_>,
    value: T,
) -> PyResult<Py<PyAny>> {
    value.into_py_any(py)
}

fn bytes(body: Option<String>) -> Vec<u8> {
    body.unwrap_or_default().into_bytes()
}

fn raw(answer: ResponseDocument) -> RawResponse {
    let body = Some(answer.body).filter(|body| !body.is_empty());
    (answer.status, body, answer.headers, answer.error_message)
}
