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
        ).withoutNulls(),
    )

    // The key stays out of logs.
    override fun toString(): String = "CyclesConfig(baseUrl=$baseUrl, tenant=$tenant)"
}
