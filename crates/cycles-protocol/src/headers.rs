//! Header names, as the spec writes them (lower case: HTTP compares so).

/// The tenant's key.
pub const API_KEY: &str = "x-cycles-api-key";
/// The operator's key.
pub const ADMIN_API_KEY: &str = "x-admin-api-key";
/// Mirrors the body's `idempotency_key`; must equal it when present.
pub const IDEMPOTENCY_KEY: &str = "x-idempotency-key";
/// One request; set by the server.
pub const REQUEST_ID: &str = "x-request-id";
/// One logical operation; 32 lower-case hex.
pub const TRACE_ID: &str = "x-cycles-trace-id";
/// W3C trace context; wins over [`TRACE_ID`].
pub const TRACEPARENT: &str = "traceparent";
/// The tenant that the key belongs to.
pub const TENANT: &str = "x-cycles-tenant";
/// Requests left in the window; -1 means unlimited.
pub const RATE_LIMIT_REMAINING: &str = "x-ratelimit-remaining";
/// When the window ends, Unix seconds; 0 means never.
pub const RATE_LIMIT_RESET: &str = "x-ratelimit-reset";
/// Whole seconds to wait; the only form the spec allows.
pub const RETRY_AFTER: &str = "retry-after";
