//! Every limit of the contract, each with its source.

/// Longest idempotency key. spec: `IdempotencyKey.maxLength`
pub const IDEMPOTENCY_KEY_MAX: usize = 256;
/// Longest reservation id in a path. spec: parameter `ReservationId`
pub const RESERVATION_ID_MAX: usize = 128;
/// Longest subject level. spec: `Subject.*.maxLength`
pub const SUBJECT_VALUE_MAX: usize = 128;
/// Most dimensions of a subject. spec: `Subject.dimensions.maxProperties`
pub const DIMENSIONS_MAX: usize = 16;
/// Longest dimension value. spec: `Subject.dimensions`
pub const DIMENSION_VALUE_MAX: usize = 256;
/// Longest action kind. spec: `Action.kind`
pub const ACTION_KIND_MAX: usize = 64;
/// Longest action name. spec: `Action.name`
pub const ACTION_NAME_MAX: usize = 256;
/// Most action tags. spec: `Action.tags.maxItems`
pub const ACTION_TAGS_MAX: usize = 10;
/// Longest action tag. spec: `Action.tags.items`
pub const ACTION_TAG_MAX: usize = 64;
/// Shortest and longest lease, milliseconds. spec: `ttl_ms`
pub const TTL_MS: std::ops::RangeInclusive<i64> = 1_000..=86_400_000;
/// Lease when neither request nor tenant sets one. spec: `ttl_ms.default`
pub const TTL_MS_DEFAULT: i64 = 60_000;
/// Longest lease when the tenant sets no maximum. governance: `max_reservation_ttl_ms`
pub const TTL_MS_TENANT_MAX_DEFAULT: i64 = 3_600_000;
/// Grace after the lease, milliseconds. spec: `grace_period_ms`
pub const GRACE_MS: std::ops::RangeInclusive<i64> = 0..=60_000;
/// Grace when the request sets none. spec: `grace_period_ms.default`
pub const GRACE_MS_DEFAULT: i64 = 5_000;
/// One extension, milliseconds. spec: `extend_by_ms`
pub const EXTEND_BY_MS: std::ops::RangeInclusive<i64> = 1..=86_400_000;
/// Extensions of one reservation. governance: `max_reservation_extensions`
pub const EXTENSIONS_MAX_DEFAULT: i64 = 10;
/// Longest release reason. spec: `ReleaseRequest.reason`
pub const RELEASE_REASON_MAX: usize = 256;
/// Longest name of a tool in caps. spec: `Caps.tool_allowlist.items`
pub const TOOL_NAME_MAX: usize = 256;
/// Most tools in one list of caps. Ours: the spec has none, and reservations
/// keep the caps they were granted with.
pub const TOOLS_MAX: usize = 256;
/// Longest model version in metrics. spec: `StandardMetrics.model_version`
pub const MODEL_VERSION_MAX: usize = 128;
/// Page size and its bounds. spec: parameter `Limit`
pub const PAGE: std::ops::RangeInclusive<usize> = 1..=200;
/// Page size when none is asked for. spec: parameter `Limit`
pub const PAGE_DEFAULT: usize = 50;
/// Largest request body, bytes. Ours: the largest legal request without
/// metadata is below 16 KiB; the rest is room for metadata.
pub const BODY_MAX: usize = 1024 * 1024;

/// First allocation for an answer: a reserve's on six budgeted scopes has some
/// 3 KB, most have less than half of that.
pub const ANSWER_USUAL: usize = 1_536;
/// Most values of one filter of the audit log. governance spec: `listAuditLogs`
pub const AUDIT_LIST_MAX: usize = 25;
/// Longest text searched for in the audit log. governance spec: `listAuditLogs`
pub const ADMIN_SEARCH_MAX: usize = 128;
/// Largest page of the governance plane. semantics 1.3
pub const ADMIN_PAGE_MAX: usize = 100;

/// Whether a subject level's value is legal: `^[a-zA-Z0-9_.-]+$`, at most 128.
#[must_use]
pub fn is_subject_value(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= SUBJECT_VALUE_MAX
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}
