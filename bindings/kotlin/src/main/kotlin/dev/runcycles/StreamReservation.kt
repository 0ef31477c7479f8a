package dev.runcycles

import dev.runcycles.ffi.Parent
import dev.runcycles.ffi.Stream
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.NonCancellable
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.job
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext

/** What happens when a stream has used up its hold. */
public enum class OnLimit {
    /** No more output flows. */
    CUT,

    /** A further reservation is taken before more output flows; where it is refused, the stream is cut. */
    EXTEND,

    /** The stream goes on; the overage policy decides about the rest. */
    FINISH,
}

/**
 * What a stream has used so far.
 *
 * @property actual what it has cost in all, in the estimate's unit, where the caller knows; it wins
 *   over a cost function
 */
public data class StreamUsage @JvmOverloads constructor(
    val tokensInput: Long = 0,
    val tokensOutput: Long = 0,
    val actual: Long? = null,
    val metrics: CyclesMetrics? = null,
    val metadata: Map<String, Any?>? = null,
)

/** What a stream has used and holds, and the counting; the same for coroutines, threads and futures. */
public interface StreamState : AutoCloseable {
    /** What the authority answered to the first reservation; calls inside the stream see it too. */
    public val context: CyclesContext

    /** What has been used so far. */
    public val usage: StreamUsage

    /** The reservations that hold the budget, in the order they were taken. */
    public val reservationIds: List<String>

    /** What the usage so far costs, inner calls that inherit the hold included; null where nothing says. */
    public val used: Amount?

    /** What is held in all. */
    public val held: Amount?

    /** Whether the hold was used up and no more output may flow. */
    public val isCut: Boolean

    /** Whether the stream has settled. */
    public val isSettled: Boolean

    /** Whether a lost lease cuts the stream: wait for `lost` beside it. */
    public val cancelsWhenLost: Boolean get() = context.cancelsWhenLost

    /** Changes what has been used so far. */
    public fun record(change: (StreamUsage) -> StreamUsage)

    /** Counts tokens that went in. */
    public fun addInputTokens(tokens: Long): Unit =
        record { it.copy(tokensInput = it.tokensInput + tokens.coerceAtLeast(0)) }

    /** Counts tokens that came out. */
    public fun addOutputTokens(tokens: Long): Unit =
        record { it.copy(tokensOutput = it.tokensOutput + tokens.coerceAtLeast(0)) }

    /** Says what the stream has cost so far in all, in the estimate's unit. */
    public fun setActual(amount: Long): Unit = record { it.copy(actual = amount) }
}

/**
 * Budget held while output flows: counted, cut or extended at its limit, and settled once however
 * the stream ends. Get it from [CyclesClient.reserveStream].
 *
 * ```kotlin
 * client.reserveStream(CyclesOptions(Amount.tokens(1000)), OnLimit.CUT).use { stream ->
 *     stream.watch(pieces) { stream.addOutputTokens(it.tokens) }.collect { print(it.text) }
 * }
 * ```
 *
 * Closing it unsettled aborts it: what flowed is committed, and everything given back where
 * nothing did.
 */
public class StreamReservation internal constructor(
    private val native: Stream,
    private val cost: ((StreamUsage) -> Long)?,
) : StreamState {
    private val lock = Any()
    private var counted = StreamUsage()

    override val context: CyclesContext = CyclesContext(CyclesContext.Hold(native::context, ::parent))
    override val usage: StreamUsage get() = synchronized(lock) { counted }
    override val reservationIds: List<String> get() = document().list("reservation_ids") ?: emptyList()
    override val used: Amount? get() = Amount.of(document()["used"])
    override val held: Amount? get() = Amount.of(document()["held"])
    override val isCut: Boolean get() = document()["is_cut"] == true
    override val isSettled: Boolean get() = document()["is_settled"] == true

    override fun record(change: (StreamUsage) -> StreamUsage): Unit = synchronized(lock) { counted = change(counted) }

    /**
     * Whether more output may flow; ask before each piece. Under [OnLimit.EXTEND] this takes the
     * further reservation.
     *
     * @throws CyclesError why a further reservation was refused; the stream is cut then
     */
    @JvmSynthetic
    public suspend fun proceed(): Boolean {
        val answer = Json.readObject(awaitNative { native.proceed(report()) })
        answer.fields("error")?.let { throw cyclesError(it) }
        return answer.text("flow") == "continue"
    }

    /** Ends when a lease is lost under the heartbeat policy `cancel`, and says why: the stream is cut then. May never end. */
    @JvmSynthetic
    public suspend fun lost(): CyclesError = cyclesError(Json.readObject(awaitNative { native.lost() }))

    /** Runs [block] inside the stream: guarded blocks in it are nested in this one. */
    @JvmSynthetic
    public suspend fun <T> within(block: suspend () -> T): T =
        withContext(CyclesContext.Element(context)) { block() }

    /** The stream has ended: commits what was used, the estimate where nothing says what that is. */
    @JvmSynthetic
    public suspend fun finish(): Settlement = settled(awaitNative { native.finish(report()) })

    /** The stream has failed or is given up: commits what flowed; gives everything back where nothing did. */
    @JvmSynthetic
    public suspend fun abort(reason: String? = null): Settlement =
        settled(awaitNative { native.abort(report(), reason) })

    /**
     * Lets [items] through as long as the hold lasts, and settles: commits at the end and where the
     * hold is used up, aborts when the flow fails or its collector goes away. [count] counts an item
     * before it is handed on. Under the heartbeat policy `cancel` a lost lease ends the wait for an item.
     */
    @JvmSynthetic
    public fun <T> watch(items: Flow<T>, count: (T) -> Unit = {}): Flow<T> = flow {
        try {
            unlessLost {
                items.collect { item ->
                    if (!proceedQuietly()) throw Cut()
                    count(item)
                    emit(item)
                }
            }
            finish()
        } catch (_: Cut) {
            finish()
        } catch (error: Throwable) {
            withContext(NonCancellable) { abort(error.javaClass.simpleName) }
            throw error
        }
    }

    /** Runs [work], which a lost lease ends as the end of the hold does. */
    private suspend fun unlessLost(work: suspend () -> Unit) {
        if (!cancelsWhenLost) return work()
        coroutineScope {
            val collecting = coroutineContext.job
            val watch = launch(Dispatchers.Default) {
                lost()
                collecting.cancel(Cut())
            }
            runCatching { work() }.also { watch.cancel() }
        }.getOrThrow()
    }

    private suspend fun proceedQuietly(): Boolean = try {
        proceed()
    } catch (refused: CyclesError) {
        false
    }

    /** Aborts, unless it has settled. */
    override fun close() {
        if (!isSettled) runBlocking { abort("stream was closed") }
        native.close()
    }

    /** For calls inside: they draw from what the usage leaves of the hold. */
    private fun parent(): Parent? {
        native.count(report())
        return native.parent()
    }

    private fun settled(text: String): Settlement =
        Settlement(text).also { context.settlement = context.settlement ?: it }

    private fun document(): Map<String, Any?> = Json.readObject(native { native.context() })

    private fun report(): String {
        val usage = usage
        val document = mapOf(
            "tokens_input" to usage.tokensInput,
            "tokens_output" to usage.tokensOutput,
            "actual" to usage.actual,
            // One that throws says nothing: the core then commits the estimate, and marks it.
            "cost" to cost?.let { runCatching { it(usage) }.getOrElse { error -> "threw ${error.javaClass.simpleName}" } },
            "metrics" to (usage.metrics ?: context.metrics)?.document(),
            "metadata" to (usage.metadata.orEmpty() + context.commitMetadata.orEmpty()).ifEmpty { null },
        )
        return Json.write(document.withoutNulls())
    }

    /** Ends the collecting of a stream that is cut. */
    private class Cut : CancellationException("the stream is cut at its hold")
}
