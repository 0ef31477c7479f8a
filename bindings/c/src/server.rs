//! The server of tests.

use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use cycles_testkit::{
    TestServer, budget_document, client_document, count_document, inject_document,
    pending_faults_document, wait_for_document, wait_for_faults_document,
};
use runcycles::ErrorReport;
use runcycles::document::foreign;

use crate::client::Client;
use crate::clock::Clock;
use crate::failure::{free, give_handle, handle, told};
use crate::task::{Task, start};
use crate::text::{document, give, read, read_optional};

/// An authority for one test, reachable over HTTP on a free port and in process.
#[derive(Debug)]
pub struct Server(Arc<TestServer>);

/// Starts a server that holds `seed` (YAML or JSON, docs/seed.md). `clock` may be
/// NULL: the machine's; its clients share it.
///
/// # Safety
/// Texts end in a zero byte; `clock` is NULL or not freed; `error` is NULL or may
/// be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_server_start(
    seed: *const c_char,
    clock: *const Clock,
    error: *mut *mut c_char,
) -> *mut Server {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            let (seed, clock) = (read("seed", seed)?, clock.as_ref());
            let server = foreign::block(async {
                match clock {
                    Some(clock) => TestServer::start_with_clock(seed, clock.handle()).await,
                    None => TestServer::start(seed).await,
                }
            });
            Ok(give_handle(Server(Arc::new(server.map_err(ErrorReport::from)?))))
        })
    }
}

/// Where it listens.
///
/// # Safety
/// `server` is NULL or not freed; `error` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_server_base_url(
    server: *const Server,
    error: *mut *mut c_char,
) -> *mut c_char {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            Ok(give(handle("server", server)?.0.base_url().to_owned()))
        })
    }
}

/// The secret of the seed's key called `name`, or of its first where that is NULL.
///
/// # Safety
/// As [`cycles_server_base_url`]; texts end in a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_server_api_key(
    server: *const Server,
    name: *const c_char,
    error: *mut *mut c_char,
) -> *mut c_char {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            let name = read_optional("name", name)?;
            Ok(give(handle("server", server)?.0.api_key(name)?.to_owned()))
        })
    }
}

/// A client over `transport`, http or local, with the key called `key`, or the
/// first, and with `config`; both may be NULL.
///
/// # Safety
/// As [`cycles_server_api_key`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_server_client(
    server: *const Server,
    key: *const c_char,
    transport: *const c_char,
    config: *const c_char,
    error: *mut *mut c_char,
) -> *mut Client {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            let server = &handle("server", server)?.0;
            let config = document("config", read_optional("config", config)?.unwrap_or("{}"))?;
            let (key, transport) = (read_optional("key", key)?, read("transport", transport)?);
            let _entered = foreign::enter();
            Ok(give_handle(Client(client_document(server, config, key, transport)?)))
        })
    }
}

/// Lets coming calls go wrong as `fault` says (docs/testing.md).
///
/// # Safety
/// As [`cycles_server_api_key`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_server_inject(
    server: *const Server,
    fault: *const c_char,
    error: *mut *mut c_char,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, false, || {
            let fault = document("fault", read("fault", fault)?)?;
            inject_document(&handle("server", server)?.0, &fault)?;
            Ok(true)
        })
    }
}

/// The faults that have not fired, as a JSON list.
///
/// # Safety
/// As [`cycles_server_base_url`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_server_pending_faults(
    server: *const Server,
    error: *mut *mut c_char,
) -> *mut c_char {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            Ok(give(pending_faults_document(&handle("server", server)?.0).to_string()))
        })
    }
}

/// Waits until `operation` was answered successfully `count` times in all. The
/// task fails after `timeout_ms` milliseconds.
///
/// # Safety
/// `server` is NULL or not freed; texts end in a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_server_wait_for(
    server: *const Server,
    operation: *const c_char,
    count: usize,
    timeout_ms: u64,
) -> *mut Task {
    // SAFETY: as the caller promises.
    let parts = unsafe { server_and(server, operation) };
    let timeout = Duration::from_millis(timeout_ms);
    start(parts.map(|(server, operation)| async move {
        wait_for_document(&server, &operation, count, timeout).await?;
        Ok("null".to_owned())
    }))
}

/// Waits until all faults of `operation` have fired. The task fails after
/// `timeout_ms` milliseconds.
///
/// # Safety
/// As [`cycles_server_wait_for`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_server_wait_for_faults(
    server: *const Server,
    operation: *const c_char,
    timeout_ms: u64,
) -> *mut Task {
    // SAFETY: as the caller promises.
    let parts = unsafe { server_and(server, operation) };
    let timeout = Duration::from_millis(timeout_ms);
    start(parts.map(|(server, operation)| async move {
        wait_for_faults_document(&server, &operation, timeout).await?;
        Ok("null".to_owned())
    }))
}

/// # Safety
/// As [`cycles_server_wait_for`].
unsafe fn server_and(
    server: *const Server,
    operation: *const c_char,
) -> Result<(Arc<TestServer>, String), ErrorReport> {
    // SAFETY: as the caller promises.
    unsafe {
        let server = handle("server", server)?;
        Ok((Arc::clone(&server.0), read("operation", operation)?.to_owned()))
    }
}

/// How often `operation` was answered successfully; -1 and an error for an
/// unknown one.
///
/// # Safety
/// As [`cycles_server_api_key`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_server_count(
    server: *const Server,
    operation: *const c_char,
    error: *mut *mut c_char,
) -> i64 {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, -1, || {
            let count =
                count_document(&handle("server", server)?.0, read("operation", operation)?)?;
            Ok(i64::try_from(count).unwrap_or(i64::MAX))
        })
    }
}

/// The budget of `scope` in `unit`, as JSON of flat integers.
///
/// # Safety
/// As [`cycles_server_api_key`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_server_budget(
    server: *const Server,
    scope: *const c_char,
    unit: *const c_char,
    error: *mut *mut c_char,
) -> *mut c_char {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            let (scope, unit) = (read("scope", scope)?, read("unit", unit)?);
            Ok(give(budget_document(&handle("server", server)?.0, scope, unit)?.to_string()))
        })
    }
}

/// Stops listening once requests under way have ended, and says what in them
/// broke the protocol's contract, if something did.
///
/// # Safety
/// As [`cycles_server_base_url`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_server_shutdown(
    server: *const Server,
    error: *mut *mut c_char,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, false, || {
            let server = &handle("server", server)?.0;
            foreign::block(server.shutdown()).map_err(ErrorReport::from)?;
            Ok(true)
        })
    }
}

/// Frees `server`, which stops it.
///
/// # Safety
/// `server` is NULL or not freed, and nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_server_free(server: *mut Server) {
    let _entered = foreign::enter();
    // SAFETY: as the caller promises.
    unsafe { free(server) }
}
