package dev.runcycles.testing

import dev.runcycles.Amount
import dev.runcycles.CyclesClient
import dev.runcycles.CyclesConfig
import dev.runcycles.CyclesUnit
import dev.runcycles.Json
import dev.runcycles.Natives
import dev.runcycles.awaitNative
import dev.runcycles.native
import dev.runcycles.seedOf
import dev.runcycles.withoutNulls
import kotlinx.coroutines.runBlocking
import dev.runcycles.ffi.TestServer as NativeTestServer

/** How a test's client reaches the [TestServer]. */
public enum class Transport {
    /** Over the loopback interface. */
    HTTP,

    /** The very same engine, in process. */
    LOCAL,
}

/** What a fault does to a call ([TestServer.inject]). */
public enum class FaultKind {
    /** The connection closes without an answer; nothing was applied. */
    DROP_BEFORE,

    /** The connection closes without an answer; the command was applied. */
    DROP_AFTER,

    /** The call is held for `delayMs` by the server's clock, then applied. */
    DELAY,

    /** A refusal with `status`, and with `code` and `retryAfterMs` if given. */
    STATUS,

    /** The command was applied; `body`, by default HTML, stands for its answer. */
    MALFORMED,
}

/** What a budget holds now, as plain integers in its unit. */
public data class BudgetState(
    val allocated: Long,
    val remaining: Long,
    val reserved: Long,
    val spent: Long,
    val debt: Long,
    val overdraftLimit: Long,
    val isOverLimit: Boolean,
    val status: String,
)

/**
 * A real authority for tests: an HTTP server on a free port over a fresh engine holding [seed]
 * (YAML or JSON, as for `cycles serve --seed`).
 *
 * @throws dev.runcycles.CyclesConfigError naming the line if the seed does not parse
 */
public class TestServer @JvmOverloads constructor(seed: String, clock: ManualClock? = null) : AutoCloseable {
    /** A server that holds [budgets], as for [CyclesClient.embedded]. */
    @JvmOverloads
    public constructor(budgets: Map<String, Amount>, clock: ManualClock? = null) : this(seedOf(budgets), clock)

    private val native: NativeTestServer = native { Natives.chosen.testServer(seed, clock?.native) }

    /** Where it listens. */
    public val baseUrl: String get() = native { native.baseUrl() }

    /** Opens the governance plane. */
    public val adminKey: String get() = native { native.adminKey() }

    /** The secret of the seed's key called [name], or of its first. */
    @JvmOverloads
    public fun apiKey(name: String? = null): String = native { native.apiKey(name) }

    /** A client for this server, on its clock, with the seed's key called [key], or its first, and with its tenant. */
    @JvmOverloads
    public fun client(
        key: String? = null,
        transport: Transport = Transport.HTTP,
        config: CyclesConfig = CyclesConfig(),
    ): CyclesClient = CyclesClient(native { native.client(key, transport.name.lowercase(), config.json()) })

    /**
     * Waits until the authority has answered [operation] successfully [count] times in all.
     *
     * @throws dev.runcycles.CyclesError after [timeoutMs] milliseconds
     */
    @JvmSynthetic
    public suspend fun waitFor(operation: String, count: Long, timeoutMs: Long = 5_000): Unit =
        awaitNative { native.waitFor(operation, count.toULong(), timeoutMs.toULong()) }

    /** [waitFor] for threads. */
    @JvmOverloads
    public fun waitForBlocking(operation: String, count: Long, timeoutMs: Long = 5_000): Unit =
        runBlocking { waitFor(operation, count, timeoutMs) }

    /**
     * Lets coming calls of [operation] go wrong, over either transport; which of the further
     * values go with which [kind] stands there. Faults of one operation fire in the order in
     * which they were injected.
     *
     * @param times how many calls it hits
     * @param skip how many calls pass before it
     * @throws dev.runcycles.CyclesValidationError for a fault that could never fire
     */
    @JvmOverloads
    public fun inject(
        operation: String,
        kind: FaultKind,
        times: Int = 1,
        skip: Int = 0,
        status: Int? = null,
        code: String? = null,
        retryAfterMs: Long? = null,
        delayMs: Long? = null,
        body: String? = null,
    ) {
        val fault = mapOf(
            "operation" to operation,
            "kind" to kind.name.lowercase(),
            "times" to times,
            "skip" to skip,
            "status" to status,
            "code" to code,
            "retry_after_ms" to retryAfterMs,
            "delay_ms" to delayMs,
            "body" to body,
        )
        native { native.inject(Json.write(fault.withoutNulls())) }
    }

    /** Forgets the faults that have not fired, and lets delayed calls go on. */
    public fun clearFaults(): Unit = native { native.clearFaults() }

    /**
     * The faults that have not fired, each with the names of the wire (`retry_after_ms`); there
     * are none at the end of a good test.
     */
    @Suppress("UNCHECKED_CAST") // a list of JSON objects
    public fun pendingFaults(): List<Map<String, Any?>> =
        Json.read(native { native.pendingFaults() }) as List<Map<String, Any?>>

    /**
     * Waits until every fault of [operation] has fired. Once a [FaultKind.DELAY] has fired,
     * advancing the clock by as much lets the call go on.
     *
     * @throws dev.runcycles.CyclesError naming those that have not after [timeoutMs] milliseconds
     */
    @JvmSynthetic
    public suspend fun waitForFaults(operation: String, timeoutMs: Long = 5_000): Unit =
        awaitNative { native.waitForFaults(operation, timeoutMs.toULong()) }

    /** [waitForFaults] for threads. */
    @JvmOverloads
    public fun waitForFaultsBlocking(operation: String, timeoutMs: Long = 5_000): Unit =
        runBlocking { waitForFaults(operation, timeoutMs) }

    /**
     * How many times the authority has answered [operation] successfully. Answers that a fault
     * lost or replaced count too: their commands were applied.
     */
    public fun count(operation: String): Long = native { native.count(operation).toLong() }

    /** The budget of [scope], such as `tenant:acme`, in [unit]. */
    public fun budget(scope: String, unit: CyclesUnit): BudgetState {
        val budget = Json.readObject(native { native.budget(scope, unit.name) })
        return BudgetState(
            allocated = budget["allocated"] as Long,
            remaining = budget["remaining"] as Long,
            reserved = budget["reserved"] as Long,
            spent = budget["spent"] as Long,
            debt = budget["debt"] as Long,
            overdraftLimit = budget["overdraft_limit"] as Long,
            isOverLimit = budget["is_over_limit"] as Boolean,
            status = budget["status"] as String,
        )
    }

    /** Stops the server. */
    override fun close(): Unit = native { native.shutdown() }
}
