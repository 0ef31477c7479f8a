//! Streams: a hold that is watched while output flows.

use std::ffi::c_char;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;
use runcycles::document::{self, GuardRequest, StreamOptionsDocument, UsageDocument, foreign};
use runcycles::{CyclesClient, ErrorReport};

use crate::client::Client;
use crate::failure::{free, give_handle, handle, told};
use crate::guard::{Parent, reserved};
use crate::task::{Task, start};
use crate::text::{document, give, json, read, read_optional};

/// Budget held for a stream; freed unsettled, what was counted is committed and
/// the rest given back.
#[derive(Debug)]
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

/// A stream for what `request` says, as for cycles_guard_new, watched as
/// `options` say: {on_limit?: cut, extend or finish, extend_by?}, or NULL. Nothing
/// is held until it reserves.
///
/// # Safety
/// Handles are NULL or not freed; texts end in a zero byte; `error` is NULL or
/// may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_stream_new(
    client: *const Client,
    request: *const c_char,
    options: *const c_char,
    parent: *const Parent,
    error: *mut *mut c_char,
) -> *mut Stream {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            let opening = Opening {
                client: handle("client", client)?.0.clone(),
                request: document("request", read("request", request)?)?,
                options: document("options", read_optional("options", options)?.unwrap_or("{}"))?,
                parent: parent.as_ref().map(|parent| parent.0.clone()),
            };
            let to_reserve = Mutex::new(Some(opening));
            Ok(give_handle(Stream { to_reserve, held: Arc::default() }))
        })
    }
}

/// Reserves, once. The task comes to the stream's context; where it fails,
/// nothing must flow.
///
/// # Safety
/// `stream` is NULL or not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_stream_reserve(stream: *const Stream) -> *mut Task {
    let once = || ErrorReport::from(cycles_protocol::Error::invalid("a stream reserves once"));
    // SAFETY: as the caller promises.
    let parts = unsafe { handle("stream", stream) }.and_then(|stream| {
        let opening = stream.to_reserve.lock().take();
        Ok((opening.ok_or_else(once)?, Arc::clone(&stream.held)))
    });
    start(parts.map(|(opening, held)| async move {
        let Opening { client, request, options, parent } = opening;
        let stream = document::begin_stream(&client, request, options, parent).await?;
        let context = stream.context().to_string();
        held.set(stream).map_err(|_| once())?;
        Ok(context)
    }))
}

/// What its user may know of the stream, as JSON.
///
/// # Safety
/// `stream` is NULL or not freed; `error` is NULL or may be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_stream_context(
    stream: *const Stream,
    error: *mut *mut c_char,
) -> *mut c_char {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            Ok(give(reserved(&handle("stream", stream)?.held)?.context().to_string()))
        })
    }
}

/// This stream, for the calls inside it; NULL and no error once it has settled.
///
/// # Safety
/// As [`cycles_stream_context`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_stream_parent(
    stream: *const Stream,
    error: *mut *mut c_char,
) -> *mut Parent {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, std::ptr::null_mut(), || {
            let parent = reserved(&handle("stream", stream)?.held)?.as_parent();
            Ok(parent.map_or(std::ptr::null_mut(), |parent| give_handle(Parent(parent))))
        })
    }
}

/// # Safety
/// As [`read_optional`].
unsafe fn usage(text: *const c_char) -> UsageDocument {
    // SAFETY: as the caller promises.
    let text = unsafe { read_optional("usage", text) }.ok().flatten();
    // The output has flowed: usage that cannot be read must not keep it from being booked.
    text.and_then(|text| document("usage", text).ok()).unwrap_or_default()
}

/// Notes `usage` so far, for what calls inside the stream may draw, and for the
/// case that it is freed before it says more.
///
/// # Safety
/// `stream` is NULL or not freed; texts end in a zero byte; `error` is NULL or may
/// be written to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_stream_count(
    stream: *const Stream,
    usage: *const c_char,
    error: *mut *mut c_char,
) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        told(error, false, || {
            reserved(&handle("stream", stream)?.held)?.count(self::usage(usage));
            Ok(true)
        })
    }
}

/// Ends when a lease is lost and heartbeat_policy is cancel: the stream is cut
/// then, and the task comes to the error. Does not end otherwise; free the task
/// once the stream has ended.
///
/// # Safety
/// `stream` is NULL or not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_stream_lost(stream: *const Stream) -> *mut Task {
    // SAFETY: as the caller promises.
    let lost = unsafe { held(stream) }.and_then(|held| Ok(reserved(&held)?.lost()));
    start(lost.map(|lost| async move { Ok(json(&lost.await)) }))
}

/// Whether more output may flow, after `usage` in all: {tokens_input?,
/// tokens_output?, actual?, cost?, metrics?, metadata?}. Ask before each piece.
/// The task comes to {flow: continue, cut or refused, error}.
///
/// # Safety
/// `stream` is NULL or not freed; texts end in a zero byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_stream_proceed(
    stream: *const Stream,
    usage: *const c_char,
) -> *mut Task {
    // SAFETY: as the caller promises.
    let (held, usage) = unsafe { (held(stream), self::usage(usage)) };
    start(held.map(|held| async move { Ok(json(&reserved(&held)?.proceed(usage).await)) }))
}

/// The stream has ended: commits `usage`. The task comes to {outcome, response,
/// error}; settling never fails.
///
/// # Safety
/// As [`cycles_stream_proceed`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_stream_finish(
    stream: *const Stream,
    usage: *const c_char,
) -> *mut Task {
    // SAFETY: as the caller promises.
    let (held, usage) = unsafe { (held(stream), self::usage(usage)) };
    start(held.map(|held| async move { Ok(json(&reserved(&held)?.finish(usage).await)) }))
}

/// The stream has failed or is given up: commits `usage` where output was
/// produced, and gives everything back where none was. `reason` may be NULL.
///
/// # Safety
/// As [`cycles_stream_proceed`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_stream_abort(
    stream: *const Stream,
    usage: *const c_char,
    reason: *const c_char,
) -> *mut Task {
    // SAFETY: as the caller promises.
    let (held, usage, reason) =
        unsafe { (held(stream), self::usage(usage), read_optional("reason", reason)) };
    let reason = reason.ok().flatten().map(str::to_owned);
    start(held.map(|held| async move { Ok(json(&reserved(&held)?.abort(usage, reason).await)) }))
}

/// # Safety
/// As [`handle`].
unsafe fn held(stream: *const Stream) -> Result<Arc<OnceLock<document::Stream>>, ErrorReport> {
    // SAFETY: as the caller promises.
    unsafe { handle("stream", stream) }.map(|stream| Arc::clone(&stream.held))
}

/// Frees `stream`. Unsettled, it is aborted in the background.
///
/// # Safety
/// `stream` is NULL or not freed, and nobody uses it any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cycles_stream_free(stream: *mut Stream) {
    let _entered = foreign::enter();
    // SAFETY: as the caller promises.
    unsafe { free(stream) }
}
