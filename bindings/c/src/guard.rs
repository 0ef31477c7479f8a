//! Guards: one piece of work.

use std::ffi::c_char;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use runcycles::document::{self, CommitDocument, GuardRequest, foreign};
use runcycles::{CyclesClient, ErrorReport};

use crate::client::Client;
use crate::failure::{free, give_handle, handle, told};
use crate::task::{Task, start};
use crate::text::{document, give, json, read, read_optional};

/// Budget held for one piece of work; freed unsettled, it is given back.
#[derive(Debug)]
pub struct Guard {
    to_reserve: Mutex<Option<(CyclesClient, GuardRequest, Option<document::Parent>)>>,
    held: Arc<OnceLock<document::Guard>>,
}

/// The call that further ones are made inside of.
#[derive(Debug)]
pub struct Parent(pub(crate) document::Parent);

/// A guard for what `request` says: estimate {unit, amount} and, as needed,
/// subject, action, ttl_ms, grace_period_ms, overage_policy, dry_run, metadata,
/// idempotency_key, nested. It is made inside of `parent`, which may be NULL.
/// Nothing is held until it reserves.
///
/// # Safety
/// Handles are not freed; texts end in a zero byte; `error` is NULL or may be
/// written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_guard_new(
    client: *const Client,
    request: *const c_char,
    parent: *const Parent,
    error: *mut *mut c_char,
) -> *mut Guard {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            let client = handle("client", client)?.0.clone();
            let request = document("request", read("request", request)?)?;
            let parent = parent.as_ref().map(|parent| parent.0.clone());
            let to_reserve = Mutex::new(Some((client, request, parent)));
            Ok(give_handle(Guard { to_reserve, held: Arc::default() }))
        })
    }
}

/// Reserves, once. The task comes to the guard's context; where it fails, the
/// work must not run.
///
/// # Safety
/// `guard` is NULL or not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_guard_reserve(guard: *const Guard) -> *mut Task {
    // SAFETY: as the caller promises.
    let parts = unsafe { handle("guard", guard) }.and_then(|guard| {
        let parts = guard.to_reserve.lock().take();
        Ok((parts.ok_or_else(once)?, Arc::clone(&guard.held)))
    });
    start(parts.map(|((client, request, parent), held)| async move {
        let guard = document::begin(&client, request, parent).await?;
        let context = json(&guard.facts());
        // Where the guard was freed meanwhile, this is the last owner: it gives the hold back.
        held.set(guard).map_err(|_| once())?;
        Ok(context)
    }))
}

fn once() -> ErrorReport {
    cycles_protocol::Error::invalid("a guard or stream reserves once; make another").into()
}

/// What the work may know of its reservation, as JSON.
///
/// # Safety
/// `guard` is NULL or not freed; `error` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_guard_context(
    guard: *const Guard,
    error: *mut *mut c_char,
) -> *mut c_char {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            Ok(give(json(&reserved(&handle("guard", guard)?.held)?.facts())))
        })
    }
}

/// This call, for those inside it; NULL and no error once it has settled.
///
/// # Safety
/// As [`cycles_guard_context`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_guard_parent(
    guard: *const Guard,
    error: *mut *mut c_char,
) -> *mut Parent {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            let parent = reserved(&handle("guard", guard)?.held)?.as_parent();
            Ok(parent.map_or(std::ptr::null_mut(), |parent| give_handle(Parent(parent))))
        })
    }
}

/// Commits what `report` says: {actual?, metrics?, metadata?}; NULL is the
/// estimate. The task comes to {outcome, response, error}; settling never fails.
///
/// # Safety
/// `guard` is NULL or not freed; texts end in a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_guard_commit(
    guard: *const Guard,
    report: *const c_char,
) -> *mut Task {
    // SAFETY: as the caller promises.
    let parts = unsafe {
        handle("guard", guard).map(|guard| {
            // The work has run: a report that cannot be read must not keep its spend from being booked.
            let report = read_optional("report", report).ok().flatten();
            let report: CommitDocument =
                report.and_then(|report| document("report", report).ok()).unwrap_or_default();
            (Arc::clone(&guard.held), report)
        })
    };
    start(
        parts.map(|(held, report)| async move { Ok(json(&reserved(&held)?.commit(report).await)) }),
    )
}

/// Gives everything back; `reason` may be NULL. The task comes to {outcome,
/// response, error}.
///
/// # Safety
/// As [`cycles_guard_commit`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_guard_release(
    guard: *const Guard,
    reason: *const c_char,
) -> *mut Task {
    // SAFETY: as the caller promises.
    let parts = unsafe {
        handle("guard", guard).map(|guard| {
            let reason = read_optional("reason", reason).ok().flatten();
            (Arc::clone(&guard.held), reason.map(str::to_owned))
        })
    };
    start(
        parts
            .map(|(held, reason)| async move { Ok(json(&reserved(&held)?.release(reason).await)) }),
    )
}

/// Ends when the lease is lost and heartbeat_policy is cancel: comes to the error
/// of the cancelled work, whose guard is to be abandoned. Does not end otherwise;
/// free the task once the work is done.
///
/// # Safety
/// `guard` is NULL or not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_guard_lost(guard: *const Guard) -> *mut Task {
    // SAFETY: as the caller promises.
    let held = unsafe { handle("guard", guard) }.map(|guard| Arc::clone(&guard.held));
    start(held.map(|held| async move {
        let guard = reserved(&held)?;
        if !guard.cancels() {
            std::future::pending::<()>().await;
        }
        Ok(json(&guard.lost().await))
    }))
}

/// Gives up work that was cancelled because its lease was lost: what it used is
/// not known and not booked.
///
/// # Safety
/// `guard` is NULL or not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_guard_abandon(guard: *const Guard) -> *mut Task {
    // SAFETY: as the caller promises.
    let held = unsafe { handle("guard", guard) }.map(|guard| Arc::clone(&guard.held));
    start(held.map(|held| async move {
        reserved(&held)?.abandon().await;
        Ok("null".to_owned())
    }))
}

/// Frees `guard`. Unsettled, it gives its hold back in the background.
///
/// # Safety
/// `guard` is NULL or not freed, and nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_guard_free(guard: *mut Guard) {
    let _entered = foreign::enter();
    // SAFETY: as the caller promises.
    unsafe { free(guard) }
}

/// Frees `parent`.
///
/// # Safety
/// `parent` is NULL or not freed, and nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_parent_free(parent: *mut Parent) {
    let _entered = foreign::enter();
    // SAFETY: as the caller promises.
    unsafe { free(parent) }
}

pub(crate) fn reserved<T>(held: &OnceLock<T>) -> Result<&T, ErrorReport> {
    held.get().ok_or_else(|| {
        cycles_protocol::Error::invalid("nothing is reserved yet; reserve first").into()
    })
}
