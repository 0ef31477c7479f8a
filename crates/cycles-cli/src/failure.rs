//! Why the program ends without success.

use std::io::{self, Write};
use std::process::ExitCode;

use cycles_protocol::Error;

/// What went wrong, by who can put it right.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The machine or the program: exit code 1.
    Runtime(String),
    /// An argument, a setting or a file it names: exit code 2, as clap's own.
    Usage(String),
    /// The server says no: exit code 3.
    Refused(Box<Error>, &'static str),
    /// The server cannot be reached, or gave no answer: exit code 4.
    Unreachable(String),
    /// All was said already.
    Code(u8),
}

/// What every command's help says of exit codes.
pub(crate) const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong arguments or settings, 3 the server refused,
4 the server cannot be reached.";

impl Failure {
    /// Writes the message to stderr and answers the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let code = self.code();
        if let Some(message) = self.message() {
            // Nothing is left to do when stderr is closed.
            let _ = writeln!(io::stderr(), "error: {message}");
        }
        ExitCode::from(code)
    }

    const fn code(&self) -> u8 {
        match self {
            Self::Runtime(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(..) => 3,
            Self::Unreachable(_) => 4,
            Self::Code(code) => *code,
        }
    }

    fn message(self) -> Option<String> {
        match self {
            Self::Runtime(message) | Self::Usage(message) | Self::Unreachable(message) => {
                Some(message)
            }
            Self::Refused(error, advice) => {
                let request = error.request_id().unwrap_or_default();
                let text =
                    format!("{}: {} request_id={request}", error.code().as_str(), error.message());
                Some(if advice.is_empty() { text } else { format!("{text}\nhint: {advice}") })
            }
            Self::Code(_) => None,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Runtime(error.to_string())
    }
}
