package dev.runcycles.testing

import dev.runcycles.CyclesClient
import dev.runcycles.CyclesConfig
import dev.runcycles.CyclesUnit
import dev.runcycles.Json
import dev.runcycles.awaitNative
import dev.runcycles.native
import kotlinx.coroutines.runBlocking
import dev.runcycles.ffi.TestServer as NativeTestServer

/** How a test's client reaches the [TestServer]. */
public enum class Transport {
    /** Over the loopback interface. */
    HTTP,

    /** The very same engine, in process. */
    LOCAL,
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
    private val native: NativeTestServer = native { NativeTestServer(seed, clock?.native) }

    /** Where it listens. */
    public val baseUrl: String get() = native { native.baseUrl() }

    /** Opens the governance plane. */
    public val adminKey: String get() = native { native.adminKey() }

    /** The secret of the seed's key called [name], or of its first. */
    @JvmOverloads
    public fun apiKey(name: String? = null): String = native { native.apiKey(name) }

    /** A client for this server, on its clock, with the seed's key called [key], or its first. */
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
    public suspend fun waitFor(operation: String, count: Long, timeoutMs: Long = 5_000): Unit =
        awaitNative { native.waitFor(operation, count.toULong(), timeoutMs.toULong()) }

    /** [waitFor] for threads. */
    @JvmOverloads
    public fun waitForBlocking(operation: String, count: Long, timeoutMs: Long = 5_000): Unit =
        runBlocking { waitFor(operation, count, timeoutMs) }

    /** How many times the authority has answered [operation] successfully. */
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
