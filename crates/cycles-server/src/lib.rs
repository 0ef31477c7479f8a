//! The Cycles budget authority over HTTP.
//!
//! A thin layer: it authenticates, bounds what it reads, hands each request to
//! an [`Authority`](cycles_protocol::Authority) in wire form and writes the
//! answer. Nothing about money is decided here.
//!
//! - [`app`] is the service, a `tower` one: both planes on one listener;
//! - [`EmbeddedServer`] serves it on a free port of the caller's runtime;
//! - the program `cycles` (`cycles-cli`) serves it on a fixed one.

mod answer;
mod app;
mod auth;
mod body;
mod check;
mod config;
mod context;
mod decisions;
mod embedded;
mod governance;
mod health;
mod limits;
mod listener;
mod missing;
mod observe;
mod patience;
mod query;
mod runtime;
#[cfg(feature = "tls")]
mod tls;

pub use app::{App, AppState, app};
pub use auth::AdminKey;
pub use check::AnswerCheck;
pub use config::{MetricsPage, ServerConfig, Unanswered};
pub use decisions::Decided;
pub use embedded::{EmbeddedServer, StartError};
pub use observe::{Exchange, Observer};
#[cfg(feature = "tls")]
pub use tls::{TlsError, TlsIdentity};
