//! Every limit of the engine, each with its source. Memory is bounded by them.

/// Callers that wait for one tenant's lock; beyond that 429. Far more than the
/// threads of any sensible process, and still bounded.
pub(crate) const WAITERS_MAX: usize = 1_024;
/// How long a caller is asked to wait after a 429, seconds.
pub(crate) const RETRY_AFTER_SECONDS: u64 = 1;
/// Open reservations of one tenant; beyond that 429. At most 1 KB each.
pub(crate) const ACTIVE_MAX: usize = 10_000_000;
/// Ended reservations kept per tenant, unless the seed says otherwise. A replay
/// on one that was evicted is answered 404, and its create key starts anew.
pub(crate) const FINALIZED_MAX: usize = 100_000;
/// How long ended reservations are kept, unless the seed says otherwise. semantics 2.10: 30 days
pub(crate) const FINALIZED_RETENTION_MS: i64 = 30 * DAY_MS;
/// Answers kept per tenant, unless the seed says otherwise, for replays of dry runs, decisions, events,
/// extensions and fundings. Beyond it, what would expire first goes first; a
/// repeated key is then a new request.
pub(crate) const REPLAYS_MAX: usize = 100_000;
/// semantics 2.10: dry run, decide and funding are replayed for 24 hours.
pub(crate) const DECISION_REPLAY_MS: i64 = DAY_MS;
/// semantics 2.10: the record of an event is kept for 30 days.
pub(crate) const EVENT_REPLAY_MS: i64 = 30 * DAY_MS;
/// Entries kept in the audit log; beyond it the oldest go. Some 10 MB at most.
pub(crate) const AUDIT_MAX: usize = 10_000;
/// Entries on a page when none is asked for. governance spec: `listAuditLogs`
pub(crate) const AUDIT_PAGE_DEFAULT: usize = 50;
/// Policies of one tenant; every new reservation looks through them.
pub(crate) const POLICIES_MAX: usize = 1_000;
/// Open reservations that a refusal looks at, those that expire first, to say
/// when budget returns. Some tens of microseconds; where others are in the way
/// of those that matter, it stays unsaid.
pub(crate) const HINT_HOLDS_MAX: usize = 256;
/// semantics 2.13: default expiry of a key.
pub(crate) const KEY_EXPIRY_MS: i64 = 90 * DAY_MS;
/// Longest cursor that is decoded: two scopes' length and then some.
pub(crate) const CURSOR_MAX: usize = 4_096;
/// Attempts at an id that is not taken; more than one is only needed where a
/// test's randomness repeats itself.
pub(crate) const ID_ATTEMPTS: usize = 8;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
