//! Why the program ends without success.

use std::io::{self, Write};
use std::process::ExitCode;

/// What went wrong, by who can put it right.
#[derive(Debug)]
pub(crate) enum Failure {
    /// An argument or a file it names: exit code 2, as clap's own.
    Usage(String),
    /// The machine or the program: exit code 1.
    Runtime(String),
}

impl Failure {
    /// Writes the message to stderr and answers the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let (message, code) = match self {
            Self::Usage(message) => (message, 2),
            Self::Runtime(message) => (message, 1),
        };
        // Nothing is left to do when stderr is closed.
        let _ = writeln!(io::stderr(), "error: {message}");
        ExitCode::from(code)
    }
}
