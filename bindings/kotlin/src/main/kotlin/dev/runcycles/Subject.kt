package dev.runcycles

/**
 * Who spends: the scopes whose budgets a call draws from.
 *
 * Fields left null fall back to the client's configuration, each on its own; at least one must
 * be set in either place. [dimensions] are free labels that no budget is kept for.
 */
public data class Subject @JvmOverloads constructor(
    var tenant: String? = null,
    var workspace: String? = null,
    var app: String? = null,
    var workflow: String? = null,
    var agent: String? = null,
    var toolset: String? = null,
    var dimensions: Map<String, String>? = null,
) {
    internal fun document(): Map<String, Any?> = mapOf(
        "tenant" to tenant,
        "workspace" to workspace,
        "app" to app,
        "workflow" to workflow,
        "agent" to agent,
        "toolset" to toolset,
        "dimensions" to dimensions,
    ).withoutNulls()
}

/** What is done: its [kind] (like `llm.completion`), its [name] (like a model) and free [tags]. */
public data class Action @JvmOverloads constructor(
    val kind: String,
    val name: String,
    val tags: List<String>? = null,
) {
    internal fun document(): Map<String, Any?> =
        mapOf("kind" to kind, "name" to name, "tags" to tags).withoutNulls()
}
