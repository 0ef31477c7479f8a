//! The client.

use std::ffi::c_char;
use std::time::Duration;

use cycles_protocol::Error as Refusal;
use runcycles::document::{self, ConfigDocument, foreign};
use runcycles::{CyclesClient, CyclesClientBuilder, ErrorReport, TimeUnit};
use serde::Deserialize;

use crate::clock::Clock;
use crate::failure::{free, give_handle, handle, told};
use crate::task::{Task, start};
use crate::text::{document, give, json, read, read_optional};

/// A client of an authority, remote or in process.
#[derive(Debug)]
pub struct Client(pub(crate) CyclesClient);

/// A request in wire form.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    operation: String,
    #[serde(default)]
    reservation_id: Option<String>,
    #[serde(default)]
    query: Vec<(String, String)>,
    #[serde(default)]
    body: Option<serde_json::Value>,
}

fn built(
    builder: CyclesClientBuilder,
    clock: Option<&Clock>,
    seed: Option<&str>,
) -> Result<*mut Client, ErrorReport> {
    let _entered = foreign::enter();
    let builder = match clock {
        Some(clock) => builder.clock(clock.shared()),
        None => builder,
    };
    let builder = match seed {
        Some(seed) => builder.embedded(seed).map_err(ErrorReport::from)?,
        None => builder,
    };
    Ok(give_handle(Client(builder.build())))
}

/// A client of the remote authority that `config` names: base_url, api_key and,
/// as needed, tenant, journal_dir, … (docs/connecting.md). `clock` may be NULL:
/// the machine's.
///
/// # Safety
/// Texts end in a zero byte; `clock` is NULL or not freed; `error` is NULL or may
/// be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_client_new(
    config: *const c_char,
    clock: *const Clock,
    error: *mut *mut c_char,
) -> *mut Client {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            let config: ConfigDocument = document("config", read("config", config)?)?;
            built(config.into_remote_builder()?, clock.as_ref(), None)
        })
    }
}

/// A client set up by environment variables that begin with `prefix`, CYCLES_
/// where it is NULL. Times whose name carries no unit are milliseconds.
///
/// # Safety
/// Texts end in a zero byte; `error` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_client_from_env(
    prefix: *const c_char,
    error: *mut *mut c_char,
) -> *mut Client {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            let prefix = read_optional("prefix", prefix)?.unwrap_or("CYCLES_");
            let builder = CyclesClientBuilder::from_vars(prefix, TimeUnit::Milliseconds, |name| {
                std::env::var(name).ok()
            });
            built(builder.map_err(ErrorReport::from)?, None, None)
        })
    }
}

/// A client with an authority of its own, in process, holding `seed` (YAML or
/// JSON, docs/seed.md). `config` may be NULL, and `clock` too: the machine's.
///
/// # Safety
/// As [`cycles_client_new`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_client_embedded(
    seed: *const c_char,
    config: *const c_char,
    clock: *const Clock,
    error: *mut *mut c_char,
) -> *mut Client {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            let config = read_optional("config", config)?.unwrap_or("{}");
            let config: ConfigDocument = document("config", config)?;
            built(config.into_builder()?, clock.as_ref(), Some(read("seed", seed)?))
        })
    }
}

/// Sends `request` in wire form: {operation, reservation_id?, query? as pairs of
/// texts, body?}. The task comes to {status, body, headers, error_message}; a
/// refusal is an answer, and no answer is one of status -1.
///
/// # Safety
/// `client` is NULL or not freed; texts end in a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_client_send(
    client: *const Client,
    request: *const c_char,
) -> *mut Task {
    // SAFETY: as the caller promises.
    let parts = unsafe {
        handle("client", client).and_then(|client| {
            let request: Request = document("request", read("request", request)?)?;
            Ok((client.0.clone(), request))
        })
    };
    start(parts.map(|(client, request)| async move {
        let Request { operation, reservation_id, query, body } = request;
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let answer = document::send(&client, &operation, reservation_id, query, body).await;
        Ok(json(&answer))
    }))
}

/// Waits for settlements in the background, at most `timeout_ms` milliseconds.
/// The task comes to how many are left.
///
/// # Safety
/// `client` is NULL or not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_client_flush(client: *const Client, timeout_ms: u64) -> *mut Task {
    // SAFETY: as the caller promises.
    let client = unsafe { handle("client", client) }.map(|client| client.0.clone());
    let timeout = Duration::from_millis(timeout_ms);
    start(client.map(|client| async move {
        Ok(client.flush_pending_commits_with_timeout(timeout).await.to_string())
    }))
}

/// Refuses further calls and waits for settlements, at most `timeout_ms`
/// milliseconds. The task comes to how many are left; the journal keeps those.
///
/// # Safety
/// `client` is NULL or not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_client_close(client: *const Client, timeout_ms: u64) -> *mut Task {
    // SAFETY: as the caller promises.
    let client = unsafe { handle("client", client) }.map(|client| client.0.clone());
    let timeout = Duration::from_millis(timeout_ms);
    start(client.map(|client| async move { Ok(client.close(timeout).await.to_string()) }))
}

/// Further calls carry another key of the same tenant; retained settlements are
/// tried again with it.
///
/// # Safety
/// As [`cycles_client_send`]; `error` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_client_set_api_key(
    client: *const Client,
    api_key: *const c_char,
    error: *mut *mut c_char,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, false, || {
            let _entered = foreign::enter();
            let api_key = read("api_key", api_key)?;
            handle("client", client)?.0.set_api_key(api_key).map_err(ErrorReport::from)?;
            Ok(true)
        })
    }
}

/// How the settlement journal stands, as JSON; `null` without one.
///
/// # Safety
/// `client` is NULL or not freed; `error` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_client_journal_stats(
    client: *const Client,
    error: *mut *mut c_char,
) -> *mut c_char {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            Ok(give(json(&handle("client", client)?.0.journal_stats())))
        })
    }
}

/// What happened in the background (docs/observability.md). The task comes to a
/// list as soon as there is something, and fails once the client is freed.
///
/// # Safety
/// `client` is NULL or not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_client_notifications(client: *const Client) -> *mut Task {
    // SAFETY: as the caller promises.
    let queue = unsafe { handle("client", client) }.map(|client| client.0.notifications());
    start(queue.map(|queue| async move {
        let batch = queue.next().await.map(|batch| json(&batch));
        batch.ok_or_else(|| Refusal::config("the client is closed").into())
    }))
}

/// Frees `client`. What is under way goes on; guards and streams stay usable.
///
/// # Safety
/// `client` is NULL or not freed, and nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_client_free(client: *mut Client) {
    let _entered = foreign::enter();
    // SAFETY: as the caller promises.
    unsafe { free(client) }
}
