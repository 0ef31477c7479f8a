package dev.runcycles

/**
 * How a [CyclesClient] reaches its authority, and the subject its calls fall back to.
 *
 * What is left null takes the SDK's default. All times are milliseconds.
 *
 * @property baseUrl where the authority listens; not needed by [CyclesClient.embedded]
 * @property apiKey the tenant's key; [CyclesClient.embedded] takes the seed's first key without it
 * @property retryMaxAttempts how often an unclear settlement is tried in all
 * @property journalEnabled whether spend that is not booked for certain is kept on disk; it is unless set
 * @property journalDir where; `.runcycles/commit-journal` in the home directory unless set
 * @property nested who pays for a guarded block inside another, unless its options say
 * @property settlement whether a guarded block waits for its commit's first attempt (`inline`, unless set) or only for
 *   the journal (`background`)
 * @property callTimeoutMs longest time of one call in all; an attempt's own times limit it unless set
 * @property circuitBreakerFailures failures in a row after which calls fail at once for a while; 0 switches it off
 * @property circuitBreakerCooldownMs longest pause until a call is let through again
 * @property onUnreachable `deny` (unless set), `allow` or `allow_up_to:5000:TOKENS`: whether guarded blocks run while the
 *   authority cannot be asked
 * @property heartbeatPolicy `warn` (unless set), `fail_on_finalize` or `cancel`: what a lost lease means for the work
 * @property extendTimeoutMs longest that one extension may take; follows from the lease unless set
 * @property caFile PEM certificates to trust besides the platform's
 * @property journalSync what it survives there: `power` failures unless set, or the end of the `process`
 */
public data class CyclesConfig @JvmOverloads constructor(
    var baseUrl: String? = null,
    var apiKey: String? = null,
    var tenant: String? = null,
    var workspace: String? = null,
    var app: String? = null,
    var workflow: String? = null,
    var agent: String? = null,
    var toolset: String? = null,
    var connectTimeoutMs: Long? = null,
    var readTimeoutMs: Long? = null,
    var retryEnabled: Boolean? = null,
    var retryMaxAttempts: Int? = null,
    var retryInitialDelayMs: Long? = null,
    var retryMultiplier: Double? = null,
    var retryMaxDelayMs: Long? = null,
    var journalEnabled: Boolean? = null,
    var journalDir: String? = null,
    var journalSync: String? = null,
    var nested: Nested? = null,
    var settlement: String? = null,
    var callTimeoutMs: Long? = null,
    var circuitBreakerFailures: Int? = null,
    var circuitBreakerCooldownMs: Long? = null,
    var onUnreachable: String? = null,
    var heartbeatPolicy: String? = null,
    var extendTimeoutMs: Long? = null,
    var caFile: String? = null,
) {
    internal fun json(): String = Json.write(
        mapOf(
            "base_url" to baseUrl,
            "api_key" to apiKey,
            "tenant" to tenant,
            "workspace" to workspace,
            "app" to app,
            "workflow" to workflow,
            "agent" to agent,
            "toolset" to toolset,
            "connect_timeout_ms" to connectTimeoutMs,
            "read_timeout_ms" to readTimeoutMs,
            "retry_enabled" to retryEnabled,
            "retry_max_attempts" to retryMaxAttempts,
            "retry_initial_delay_ms" to retryInitialDelayMs,
            "retry_multiplier" to retryMultiplier,
            "retry_max_delay_ms" to retryMaxDelayMs,
            "journal_enabled" to journalEnabled,
            "journal_dir" to journalDir,
            "journal_sync" to journalSync,
            "nested" to nested?.document,
            "settlement" to settlement,
            "call_timeout_ms" to callTimeoutMs,
            "circuit_breaker_failures" to circuitBreakerFailures,
            "circuit_breaker_cooldown_ms" to circuitBreakerCooldownMs,
            "on_unreachable" to onUnreachable,
            "heartbeat_policy" to heartbeatPolicy,
            "extend_timeout_ms" to extendTimeoutMs,
            "ca_file" to caFile,
        ).withoutNulls(),
    )

    // The key stays out of logs.
    override fun toString(): String = "CyclesConfig(baseUrl=$baseUrl, tenant=$tenant)"
}
