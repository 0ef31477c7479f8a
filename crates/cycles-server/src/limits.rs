//! The server's own limits; the contract's are in `cycles_protocol::limits`.

use std::time::Duration;

/// Connections served at once per listener; further ones wait to be accepted.
pub(crate) const CONNECTIONS_MAX: usize = 8_192;

/// Longest wait for a request's head, which is also how long a connection may
/// lie idle. Above the 90 s after which client pools usually drop a connection,
/// so that no client writes into one that the server is about to close.
pub(crate) const HEAD_READ: Duration = Duration::from_secs(100);

/// Longest wait for a request's body.
pub(crate) const BODY_READ: Duration = Duration::from_secs(15);

/// Longest time for a client to take one answer. A listing's full page with its
/// metadata may be megabytes, and lines are slow.
pub(crate) const ANSWER_WRITE: Duration = Duration::from_secs(60);

/// First allocation for a body: the largest legal request without metadata.
pub(crate) const BODY_FIRST: usize = 16 * 1024;

/// How much of an oversized body is read and thrown away, so that the client
/// gets to see the refusal instead of a broken connection.
pub(crate) const BODY_DISCARD: u64 = 8 * 1024 * 1024;

/// How long a shutdown waits for requests in flight.
pub(crate) const DRAIN: Duration = Duration::from_secs(10);

/// Pause after a failed accept, which usually means no free file descriptors.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// Between two sweeps for expired reservations.
/// reference: `cycles.expiry.interval-ms`
pub(crate) const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Decisions that are remembered; a kilobyte each, more or less.
pub(crate) const DECISIONS_MAX: usize = 10_000;

/// Decisions in one answer.
pub(crate) const DECISIONS_PAGE: usize = 100;

/// Longest TLS handshake.
#[cfg(feature = "tls")]
pub(crate) const TLS_HANDSHAKE: Duration = Duration::from_secs(10);
