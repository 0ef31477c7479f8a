package dev.runcycles

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.asCoroutineDispatcher
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionStage
import java.util.concurrent.Executor
import java.util.function.ToLongFunction

/** A guarded block for Java whose work ends when the stage that it answers does. */
public fun interface AsyncCyclesBlock<T> {
    /** Starts the work under the reservation that [context] describes. */
    @Throws(Exception::class)
    public fun run(context: CyclesContext): CompletionStage<T>
}

/**
 * [CyclesClient] with futures: the same calls, none of which waits. Get it from [CyclesClient.async].
 *
 * Futures fail with the [CyclesError] itself: `join` and `get` wrap it as they wrap everything. Cancelling a future
 * ends the waiting; what has left for the authority goes on, and what it held is given back.
 *
 * Blocks, and stages that depend on these futures without an executor of their own, run on
 * daemon threads that all clients share: work that blocks belongs on an executor, see [on].
 */
public class AsyncCyclesClient internal constructor(
    private val client: CyclesClient,
    private val dispatcher: CoroutineDispatcher = Dispatchers.Default,
) {
    /** The same client, whose blocks run on [executor]. */
    public fun on(executor: Executor): AsyncCyclesClient =
        AsyncCyclesClient(client, executor.asCoroutineDispatcher())

    /** See [CyclesClient.createReservation]. */
    public fun createReservation(body: Map<String, Any?>): CompletableFuture<CyclesResponse> =
        future(dispatcher) { client.createReservation(body) }

    /** See [CyclesClient.commitReservation]. */
    public fun commitReservation(reservationId: String, body: Map<String, Any?>): CompletableFuture<CyclesResponse> =
        future(dispatcher) { client.commitReservation(reservationId, body) }

    /** See [CyclesClient.releaseReservation]. */
    public fun releaseReservation(reservationId: String, body: Map<String, Any?>): CompletableFuture<CyclesResponse> =
        future(dispatcher) { client.releaseReservation(reservationId, body) }

    /** See [CyclesClient.extendReservation]. */
    public fun extendReservation(reservationId: String, body: Map<String, Any?>): CompletableFuture<CyclesResponse> =
        future(dispatcher) { client.extendReservation(reservationId, body) }

    /** See [CyclesClient.decide]. */
    public fun decide(body: Map<String, Any?>): CompletableFuture<CyclesResponse> =
        future(dispatcher) { client.decide(body) }

    /** See [CyclesClient.createEvent]. */
    public fun createEvent(body: Map<String, Any?>): CompletableFuture<CyclesResponse> =
        future(dispatcher) { client.createEvent(body) }

    /** See [CyclesClient.getBalances]. */
    public fun getBalances(query: Map<String, Any?>): CompletableFuture<CyclesResponse> =
        future(dispatcher) { client.getBalances(query) }

    /** See [CyclesClient.listReservations]. */
    @JvmOverloads
    public fun listReservations(query: Map<String, Any?> = emptyMap()): CompletableFuture<CyclesResponse> =
        future(dispatcher) { client.listReservations(query) }

    /** See [CyclesClient.getReservation]. */
    public fun getReservation(reservationId: String): CompletableFuture<CyclesResponse> =
        future(dispatcher) { client.getReservation(reservationId) }

    /** See [CyclesClient.flush]. */
    public fun flush(timeoutMs: Long): CompletableFuture<Long> = future(dispatcher) { client.flush(timeoutMs) }

    /** See [CyclesClient.dryRun]. */
    public fun dryRun(options: CyclesOptions): CompletableFuture<DryRunResult> =
        future(dispatcher) { client.dryRun(options) }

    /** See [CyclesClient.reserve]. A hold that comes after its future was cancelled is given back. */
    public fun reserve(options: CyclesOptions): CompletableFuture<AsyncCyclesGuard> =
        future(dispatcher, AsyncCyclesGuard::close) { AsyncCyclesGuard(client.reserve(options), dispatcher) }

    /** See [CyclesClient.reserveStream]. A hold that comes after its future was cancelled is given back. */
    @JvmOverloads
    public fun reserveStream(
        options: CyclesOptions,
        onLimit: OnLimit = OnLimit.FINISH,
        extendBy: Long? = null,
        cost: ToLongFunction<StreamUsage>? = null,
    ): CompletableFuture<AsyncStreamReservation> = future(dispatcher, AsyncStreamReservation::close) {
        AsyncStreamReservation(client.reserveStream(options, onLimit, extendBy, cost?.let { it::applyAsLong }), dispatcher)
    }

    /**
     * Runs [block] against a budget and, when its stage has ended, commits the estimate; see
     * [dev.runcycles.withCycles].
     *
     * Cancelling the future cancels the block's, and releases. [CyclesContext.current] is set while [block] itself
     * runs; in later stages, see [CyclesContext.call].
     */
    public fun <T> withCycles(options: CyclesOptions, block: AsyncCyclesBlock<T>): CompletableFuture<T> =
        future(dispatcher) { client.withCycles(options) { context -> block.ended(context) } }

    /** [withCycles] that commits what [actual] says the result cost. */
    public fun <T> withCycles(
        options: CyclesOptions,
        actual: CyclesActual<T>,
        block: AsyncCyclesBlock<T>,
    ): CompletableFuture<T> =
        future(dispatcher) { client.withCycles(options, actual::of) { context -> block.ended(context) } }
}

private suspend fun <T> AsyncCyclesBlock<T>.ended(context: CyclesContext): T {
    val stage: CompletionStage<T>? = run(context)
    if (stage == null) throw NullPointerException("the guarded block answered null; it must answer a CompletionStage")
    return stage.outcome().getOrThrow()
}

/** [CyclesGuard] with futures. Get it from [AsyncCyclesClient.reserve]. */
public class AsyncCyclesGuard internal constructor(
    private val guard: CyclesGuard,
    private val dispatcher: CoroutineDispatcher,
) : AutoCloseable {
    /** See [CyclesGuard.context]. */
    public val context: CyclesContext get() = guard.context

    /** See [CyclesGuard.cancelsWhenLost]. */
    public val cancelsWhenLost: Boolean get() = guard.cancelsWhenLost

    /** See [CyclesGuard.commit]. */
    @JvmOverloads
    public fun commit(actual: Amount? = null): CompletableFuture<Settlement> = future(dispatcher) { guard.commit(actual) }

    /** See [CyclesGuard.release]. */
    @JvmOverloads
    public fun release(reason: String? = null): CompletableFuture<Settlement> =
        future(dispatcher) { guard.release(reason) }

    /** See [CyclesGuard.lost]. */
    public fun lost(): CompletableFuture<CyclesError> = future(dispatcher) { guard.lost() }

    /** See [CyclesGuard.abandon]. */
    public fun abandon(): CompletableFuture<Void?> = future(dispatcher) {
        guard.abandon()
        null
    }

    /** Gives everything back, unless it has settled; does not wait for that. */
    override fun close(): Unit = guard.close()
}

/** [StreamReservation] with futures. Get it from [AsyncCyclesClient.reserveStream]. */
public class AsyncStreamReservation internal constructor(
    private val stream: StreamReservation,
    private val dispatcher: CoroutineDispatcher,
) : StreamState by stream {
    /** See [StreamReservation.proceed]. */
    public fun proceed(): CompletableFuture<Boolean> = future(dispatcher) { stream.proceed() }

    /** See [StreamReservation.lost]. */
    public fun lost(): CompletableFuture<CyclesError> = future(dispatcher) { stream.lost() }

    /** See [StreamReservation.finish]. */
    public fun finish(): CompletableFuture<Settlement> = future(dispatcher) { stream.finish() }

    /** See [StreamReservation.abort]. */
    @JvmOverloads
    public fun abort(reason: String? = null): CompletableFuture<Settlement> = future(dispatcher) { stream.abort(reason) }
}
