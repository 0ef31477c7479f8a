package dev.runcycles

import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.runInterruptible
import java.util.function.ToLongFunction

/** A guarded block for Java: may throw anything, its result is the caller's. */
public fun interface CyclesBlock<T> {
    /** Runs under the reservation that [context] describes. */
    @Throws(Exception::class)
    public fun run(context: CyclesContext): T
}

/** What a guarded block's result cost, for Java. */
public fun interface CyclesActual<T> {
    /** The cost of [result], in the estimate's unit. */
    public fun of(result: T): Amount
}

/**
 * [CyclesClient] for threads: the same calls, each waiting for its answer. Get it from [CyclesClient.blocking].
 *
 * A thread that is interrupted while it waits stays interrupted, and gets a [CyclesTransportError]: what has left
 * for the authority goes on.
 */
public class BlockingCyclesClient internal constructor(private val client: CyclesClient) {
    /** See [CyclesClient.createReservation]. */
    public fun createReservation(body: Map<String, Any?>): CyclesResponse = waitFor { client.createReservation(body) }

    /** See [CyclesClient.commitReservation]. */
    public fun commitReservation(reservationId: String, body: Map<String, Any?>): CyclesResponse =
        waitFor { client.commitReservation(reservationId, body) }

    /** See [CyclesClient.releaseReservation]. */
    public fun releaseReservation(reservationId: String, body: Map<String, Any?>): CyclesResponse =
        waitFor { client.releaseReservation(reservationId, body) }

    /** See [CyclesClient.extendReservation]. */
    public fun extendReservation(reservationId: String, body: Map<String, Any?>): CyclesResponse =
        waitFor { client.extendReservation(reservationId, body) }

    /** See [CyclesClient.decide]. */
    public fun decide(body: Map<String, Any?>): CyclesResponse = waitFor { client.decide(body) }

    /** See [CyclesClient.createEvent]. */
    public fun createEvent(body: Map<String, Any?>): CyclesResponse = waitFor { client.createEvent(body) }

    /** See [CyclesClient.getBalances]. */
    public fun getBalances(query: Map<String, Any?>): CyclesResponse = waitFor { client.getBalances(query) }

    /** See [CyclesClient.listReservations]. */
    @JvmOverloads
    public fun listReservations(query: Map<String, Any?> = emptyMap()): CyclesResponse =
        waitFor { client.listReservations(query) }

    /** See [CyclesClient.getReservation]. */
    public fun getReservation(reservationId: String): CyclesResponse = waitFor { client.getReservation(reservationId) }

    /** See [CyclesClient.flush]. */
    public fun flush(timeoutMs: Long): Long = waitFor { client.flush(timeoutMs) }

    /** See [CyclesClient.dryRun]. */
    public fun dryRun(options: CyclesOptions): DryRunResult = waitFor { client.dryRun(options) }

    /** See [CyclesClient.reserve]. */
    public fun reserve(options: CyclesOptions): BlockingCyclesGuard =
        BlockingCyclesGuard(waitForOpened { client.reserve(options) })

    /** See [CyclesClient.reserveStream]. */
    @JvmOverloads
    public fun reserveStream(
        options: CyclesOptions,
        onLimit: OnLimit = OnLimit.FINISH,
        extendBy: Long? = null,
        cost: ToLongFunction<StreamUsage>? = null,
    ): BlockingStreamReservation = BlockingStreamReservation(
        waitForOpened { client.reserveStream(options, onLimit, extendBy, cost?.let { it::applyAsLong }) },
    )

    /**
     * Runs [block] against a budget, on the calling thread, and commits the estimate; see
     * [dev.runcycles.withCycles]. Under the heartbeat policy `cancel`, a lost lease interrupts the thread.
     *
     * @throws BudgetExceededError if a budget does not have the estimate; the block did not run
     */
    @Throws(Exception::class)
    public fun <T> withCycles(options: CyclesOptions, block: CyclesBlock<T>): T =
        runBlocking { client.withCycles(options) { context -> block.interruptibly(context) } }

    /** [withCycles] that commits what [actual] says the result cost. */
    @Throws(Exception::class)
    public fun <T> withCycles(options: CyclesOptions, actual: CyclesActual<T>, block: CyclesBlock<T>): T =
        runBlocking { client.withCycles(options, actual::of) { context -> block.interruptibly(context) } }
}

/**
 * A cancelled coroutine interrupts the block's thread. What the block throws, even an interruption
 * by others, travels as a result: on its own, coroutines may replace it by a copy.
 */
private suspend fun <T> CyclesBlock<T>.interruptibly(context: CyclesContext): T =
    runInterruptible { runCatching { run(context) } }.getOrThrow()

/** [CyclesGuard] for threads. Get it from [BlockingCyclesClient.reserve]. */
public class BlockingCyclesGuard internal constructor(private val guard: CyclesGuard) : AutoCloseable {
    /** See [CyclesGuard.context]. */
    public val context: CyclesContext get() = guard.context

    /** See [CyclesGuard.commit]. */
    @JvmOverloads
    public fun commit(actual: Amount? = null): Settlement = waitFor { guard.commit(actual) }

    /** See [CyclesGuard.release]. */
    @JvmOverloads
    public fun release(reason: String? = null): Settlement = waitFor { guard.release(reason) }

    /** Gives everything back, unless it has settled; does not wait for that. */
    override fun close(): Unit = guard.close()
}

/** [StreamReservation] for threads. Get it from [BlockingCyclesClient.reserveStream]. */
public class BlockingStreamReservation internal constructor(
    private val stream: StreamReservation,
) : StreamState by stream {
    /** See [StreamReservation.proceed]. */
    public fun proceed(): Boolean = waitFor { stream.proceed() }

    /** See [StreamReservation.finish]. */
    public fun finish(): Settlement = waitFor { stream.finish() }

    /** See [StreamReservation.abort]. */
    @JvmOverloads
    public fun abort(reason: String? = null): Settlement = waitFor { stream.abort(reason) }
}
