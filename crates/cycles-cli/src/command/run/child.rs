//! The command that `cycles run` runs, and all that it started.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use cycles_protocol::Clock;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;

use crate::failure::Failure;

/// A command in a process group of its own, so that all of it can be stopped.
#[derive(Debug)]
pub(super) struct Child {
    process: tokio::process::Child,
    group: Option<Pid>,
}

/// As shells answer.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

impl Child {
    pub(super) fn start(mut command: Command, program: &OsStr) -> Result<Self, Failure> {
        command.process_group(0).kill_on_drop(true);
        let process = command.spawn().map_err(|error| {
            let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN };
            crate::output::note(&format!(
                "error: the command cannot be run command={}: {error}",
                program.display()
            ));
            Failure::Code(code)
        })?;
        let pid = process.id().and_then(|pid| i32::try_from(pid).ok());
        Ok(Self { process, group: pid.and_then(Pid::from_raw) })
    }

    /// Waits until the command itself has ended; answers its exit code, or 128 + n
    /// for signal n, as shells say it.
    pub(super) async fn wait(&mut self) -> io::Result<u8> {
        Ok(ended(self.process.wait().await?))
    }

    /// Hands a signal on that this process got.
    pub(super) fn forward(&self, signal: &str) {
        self.signal(if signal == "SIGINT" { Signal::INT } else { Signal::TERM });
    }

    /// Tells the command and all it started to end, and ends what is left of them
    /// after `grace`.
    pub(super) async fn stop(&mut self, grace: Duration, clock: &dyn Clock) -> io::Result<u8> {
        self.signal(Signal::TERM);
        let deadline = clock.sleep_until(clock.monotonic() + grace);
        let status = tokio::select! {
            status = self.process.wait() => Some(status?),
            () = deadline => None,
        };
        // What it started may have ignored the request, or outlived it.
        self.signal(Signal::KILL);
        let status = match status {
            Some(status) => status,
            None => self.process.wait().await?,
        };
        Ok(ended(status))
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group
            // It fails only when all of them are gone.
            && let Err(error) = kill_process_group(group, signal)
        {
            tracing::debug!(%error, "a signal reached nobody");
        }
    }
}

fn ended(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
