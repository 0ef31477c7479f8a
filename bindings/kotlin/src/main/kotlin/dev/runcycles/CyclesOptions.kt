package dev.runcycles

import java.time.Duration

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

    public companion object {
        /** Says step by step, in Java, what a call that may cost [estimate] is. */
        @JvmStatic
        public fun builder(estimate: Amount): CyclesOptionsBuilder = CyclesOptionsBuilder(estimate)
    }
}

/** Makes [CyclesOptions] in Java. Get it from [CyclesOptions.builder]; what is not said is not sent. */
public class CyclesOptionsBuilder internal constructor(estimate: Amount) {
    private val options = CyclesOptions(estimate)

    /** What is done: its kind (like `llm.completion`) and its name (like a model). */
    public fun action(kind: String, name: String): CyclesOptionsBuilder = action(Action(kind, name))

    /** What is done. */
    public fun action(action: Action): CyclesOptionsBuilder = apply { options.action = action }

    /** Who spends; what it leaves open falls back to the client's configuration. */
    public fun subject(subject: Subject): CyclesOptionsBuilder = apply { options.subject = subject }

    /** How long the reservation lives without a heartbeat; whole milliseconds. */
    public fun ttl(ttl: Duration): CyclesOptionsBuilder = apply { options.ttlMs = ttl.toMillis() }

    /** How long after expiry a commit is still taken; whole milliseconds. */
    public fun gracePeriod(gracePeriod: Duration): CyclesOptionsBuilder =
        apply { options.gracePeriodMs = gracePeriod.toMillis() }

    /** What happens when the actual turns out higher than the estimate. */
    public fun overagePolicy(policy: OveragePolicy): CyclesOptionsBuilder = apply { options.overagePolicy = policy }

    /** Free fields kept with the reservation. */
    public fun metadata(metadata: Map<String, Any?>): CyclesOptionsBuilder = apply { options.metadata = metadata }

    /** Names the reservation for retries of your own. */
    public fun idempotencyKey(key: String): CyclesOptionsBuilder = apply { options.idempotencyKey = key }

    /** Who pays, where the call is inside another one. */
    public fun nested(nested: Nested): CyclesOptionsBuilder = apply { options.nested = nested }

    /** The options; the builder may go on to others. */
    public fun build(): CyclesOptions = options.copy()
}
