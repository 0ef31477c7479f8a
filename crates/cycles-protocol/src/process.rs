//! Which process this is, without a system call each time it is asked.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

/// 0 until it is asked for, and in a forked child until it asks itself.
static ID: AtomicU32 = AtomicU32::new(0);
static WATCH_FORKS: Once = Once::new();

/// As [`std::process::id`]; a forked child has its own.
///
/// Not seen are forks that run no `pthread_atfork` handlers: a bare `clone(2)`,
/// `vfork`. What those may do before `exec` leaves no room for this crate.
#[must_use]
pub fn id() -> u32 {
    match ID.load(Ordering::Relaxed) {
        0 => ask(),
        id => id,
    }
}

#[cold]
fn ask() -> u32 {
    let id = std::process::id();
    WATCH_FORKS.call_once(watch_forks);
    ID.store(id, Ordering::Relaxed);
    id
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "the only way to be told of a fork")]
fn watch_forks() {
    extern "C" fn in_child() {
        ID.store(0, Ordering::Relaxed);
    }
    // SAFETY: the handler stores into an atomic, which is async-signal-safe.
    let registered = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    assert_eq!(registered, 0, "there is memory for a fork handler");
}

#[cfg(not(unix))]
fn watch_forks() {} // nothing forks there

#[cfg(test)]
mod tests {
    #[test]
    fn it_is_the_systems() {
        assert_eq!((super::id(), super::id()), (std::process::id(), std::process::id()));
    }
}
