package dev.runcycles

/** What happens when the actual turns out higher than the estimate. */
public enum class OveragePolicy {
    /** The commit is refused. */
    REJECT,

    /** The difference is taken as far as the budgets have it. */
    ALLOW_IF_AVAILABLE,

    /** The difference is taken, as debt where the budgets do not have it. */
    ALLOW_WITH_OVERDRAFT,
}

/** Who pays for a guarded block inside another one. */
public enum class Nested {
    /** It holds budget of its own. */
    OWN,

    /** The outer block's hold, which commits what the inner one cost. */
    INHERIT,

    /** Nobody: it is refused before anything is sent. */
    FORBID,
    ;

    internal val document: String get() = name.lowercase()
}

/**
 * One guarded call: what it may cost, who spends and what is done.
 *
 * Only [estimate] is required. What is left null is not sent: the authority's own defaults
 * apply, and [subject] falls back to the client's configuration field by field.
 *
 * @property estimate what is reserved before the call, and committed if no actual is given
 * @property ttlMs how long the reservation lives without a heartbeat, milliseconds
 * @property gracePeriodMs how long after expiry a commit is still taken, milliseconds
 * @property metadata free fields kept with the reservation
 * @property nested who pays, where this block is inside another; the client's setting when null
 * @property idempotencyKey names the reservation for retries of your own; made up when null
 */
public data class CyclesOptions @JvmOverloads constructor(
    var estimate: Amount,
    var action: Action? = null,
    var subject: Subject? = null,
    var ttlMs: Long? = null,
    var gracePeriodMs: Long? = null,
    var overagePolicy: OveragePolicy? = null,
    var metadata: Map<String, Any?>? = null,
    var idempotencyKey: String? = null,
    var nested: Nested? = null,
) {
    internal fun json(dryRun: Boolean): String = Json.write(
        mapOf(
            "estimate" to estimate.document(),
            "action" to action?.document(),
            "subject" to subject?.document(),
            "ttl_ms" to ttlMs,
            "grace_period_ms" to gracePeriodMs,
            "overage_policy" to overagePolicy?.name,
            "dry_run" to (true.takeIf { dryRun }),
            "metadata" to metadata,
            "idempotency_key" to idempotencyKey,
            "nested" to nested?.document,
        ).withoutNulls(),
    )
}
