package dev.runcycles

/** What the authority decided about an estimate. */
public enum class Decision {
    /** Go ahead. */
    ALLOW,

    /** Go ahead within [Caps]. */
    ALLOW_WITH_CAPS,

    /** Do not go ahead. */
    DENY,

    /** A decision that this version does not know. */
    UNKNOWN,
    ;

    internal companion object {
        fun of(name: String?): Decision = entries.find { it.name == name } ?: UNKNOWN
    }
}

/** Limits that come with [Decision.ALLOW_WITH_CAPS]; null is no limit. [cooldownMs] is milliseconds. */
public class Caps internal constructor(private val document: Map<String, Any?>) {
    public val maxTokens: Long? = document.integer("max_tokens")
    public val maxStepsRemaining: Long? = document.integer("max_steps_remaining")
    public val toolAllowlist: List<String>? = document.list("tool_allowlist")
    public val toolDenylist: List<String>? = document.list("tool_denylist")
    public val cooldownMs: Long? = document.integer("cooldown_ms")

    /** Whether [tool] may run: a non-empty allowlist decides alone, then the denylist. */
    public fun isToolAllowed(tool: String): Boolean = native { Natives.chosen.isToolAllowed(Json.write(document), tool) }

    override fun toString(): String = "Caps($document)"
}

/**
 * What a call would have been allowed, without reserving anything.
 *
 * @property response the authority's whole answer
 */
public class DryRunResult internal constructor(context: Map<String, Any?>) {
    public val decision: Decision = Decision.of(context.text("decision"))
    public val caps: Caps? = context.fields("caps")?.let(::Caps)
    public val affectedScopes: List<String> = context.list("affected_scopes") ?: emptyList()
    public val scopePath: String? = context.text("scope_path")
    public val balances: List<Map<String, Any?>> = context.list("balances") ?: emptyList()
    public val traceId: String? = context.text("trace_id")
    public val response: Map<String, Any?> = context.fields("response") ?: emptyMap()

    override fun toString(): String = "DryRunResult(decision=$decision, affectedScopes=$affectedScopes)"
}
