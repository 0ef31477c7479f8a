//! How a tokio thread gets an event loop's attention.
//!
//! A socket pair where the loop can watch file descriptors; elsewhere (the
//! Windows proactor loop, loops without `add_reader`) one owned thread that
//! calls `loop.call_soon_threadsafe` and is joined before the interpreter ends.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use pyo3::exceptions::PyNotImplementedError;
use pyo3::intern;
use pyo3::prelude::*;

#[cfg(unix)]
use std::io::{Read, Write};
#[cfg(unix)]
use std::os::fd::AsRawFd;
#[cfg(unix)]
use std::os::unix::net::UnixStream;

/// The waking side; used by tokio threads, never touches Python.
pub(crate) enum Wakeup {
    #[cfg(unix)]
    Socket(UnixStream),
    Thread(Sender<Signal>),
}

/// The woken side; belongs to the loop's thread.
pub(crate) enum Waiting {
    #[cfg(unix)]
    Socket(UnixStream),
    Thread {
        signals: Mutex<Option<Receiver<Signal>>>,
        thread: Mutex<Option<JoinHandle<()>>>,
    },
}

/// What the wake-up thread is told.
pub(crate) enum Signal {
    Wake,
    Stop,
}

impl Wakeup {
    /// The cheapest pair that `event_loop` supports.
    pub(crate) fn for_loop(event_loop: &Bound<'_, PyAny>) -> PyResult<(Self, Waiting)> {
        #[cfg(unix)]
        if supports_readers(event_loop)? {
            let (waking, woken) = UnixStream::pair()?;
            waking.set_nonblocking(true)?;
            woken.set_nonblocking(true)?;
            return Ok((Self::Socket(waking), Waiting::Socket(woken)));
        }
        #[cfg(not(unix))]
        let _ = event_loop;
        let (sender, signals) = channel();
        let waiting =
            Waiting::Thread { signals: Mutex::new(Some(signals)), thread: Mutex::default() };
        Ok((Self::Thread(sender), waiting))
    }

    /// Makes the loop drain its mailbox soon.
    pub(crate) fn wake(&self) {
        match self {
            // A full socket means that a wake-up is already on its way.
            #[cfg(unix)]
            Self::Socket(waking) => drop((&*waking).write(&[1])),
            Self::Thread(sender) => drop(sender.send(Signal::Wake)),
        }
    }
}

/// Asks by removing a reader that was never added: the base class raises.
#[cfg(unix)]
fn supports_readers(event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = event_loop.py();
    let (probe, _other) = UnixStream::pair()?;
    match event_loop.call_method1(intern!(py, "remove_reader"), (probe.as_raw_fd(),)) {
        Ok(_) => Ok(true),
        Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => Ok(false),
        Err(error) => Err(error),
    }
}

impl Waiting {
    /// Makes `event_loop` call `drain` after every wake-up.
    pub(crate) fn attach(
        &self,
        event_loop: &Bound<'_, PyAny>,
        drain: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = event_loop.py();
        match self {
            #[cfg(unix)]
            Self::Socket(woken) => {
                event_loop.call_method1(intern!(py, "add_reader"), (woken.as_raw_fd(), drain))?;
            }
            Self::Thread { signals, thread } => {
                let Some(signals) = take(signals) else { return Ok(()) };
                let (event_loop, drain) = (event_loop.clone().unbind(), drain.clone().unbind());
                let started = std::thread::Builder::new()
                    .name("runcycles-wakeup".to_owned())
                    .spawn(move || pass_on(&signals, &event_loop, &drain))?;
                *thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(started);
            }
        }
        Ok(())
    }

    /// Takes note of the wake-ups so far.
    pub(crate) fn acknowledge(&self) {
        match self {
            #[cfg(unix)]
            Self::Socket(woken) => {
                let mut bytes = [0_u8; 64];
                while matches!((&*woken).read(&mut bytes), Ok(read) if read == bytes.len()) {}
            }
            Self::Thread { .. } => {}
        }
    }

    /// Ends and joins the wake-up thread, where there is one.
    pub(crate) fn shutdown(&self, py: Python<'_>, wakeup: &Wakeup) {
        if let (Self::Thread { thread, .. }, Wakeup::Thread(sender)) = (self, wakeup) {
            drop(sender.send(Signal::Stop));
            if let Some(thread) = take(thread) {
                py.detach(|| drop(thread.join()));
            }
        }
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn pass_on(signals: &Receiver<Signal>, event_loop: &Py<PyAny>, drain: &Py<PyAny>) {
    while let Ok(Signal::Wake) = signals.recv() {
        let delivered = Python::try_attach(|py| {
            let scheduled =
                event_loop.call_method1(py, intern!(py, "call_soon_threadsafe"), (drain,));
            scheduled.is_ok()
        });
        // A closed loop or an ending interpreter: nobody waits any more.
        if delivered != Some(true) {
            return;
        }
    }
}
