package dev.runcycles

import dev.runcycles.ffi.Guard
import kotlinx.coroutines.withContext
import java.util.concurrent.atomic.AtomicBoolean

/**
 * Budget held for work that is no block: [commit] it or [release] it, once. Where a block will do, [withCycles] does
 * both. Get it from [CyclesClient.reserve]; from Java, [BlockingCyclesGuard] and [AsyncCyclesGuard] are the same.
 *
 * ```kotlin
 * client.reserve(CyclesOptions(Amount.tokens(100))).use { guard ->
 *     guard.commit(Amount.tokens(work()))
 * }
 * ```
 *
 * Closing it unsettled gives everything back.
 */
public class CyclesGuard internal constructor(private val native: Guard) : AutoCloseable {
    private val closed = AtomicBoolean()

    /** What the authority answered; calls made [within] are nested in this one. */
    public val context: CyclesContext = CyclesContext(native)

    /** Whether the work is to be cancelled when its lease is lost: wait for [lost] beside it, then [abandon]. */
    public val cancelsWhenLost: Boolean get() = context.cancelsWhenLost

    /** Runs [block] inside this reservation: it is [CyclesContext.current] there. */
    @JvmSynthetic
    public suspend fun <T> within(block: suspend () -> T): T =
        withContext(CyclesContext.Element(context)) { block() }

    /**
     * Books what was spent: [actual], in the estimate's unit, or the estimate. Never fails for what the authority
     * says: see [Settlement.outcome]. What was settled before stays as it is.
     */
    @JvmSynthetic
    public suspend fun commit(actual: Amount? = null): Settlement =
        commit(actual?.let { Result.success(it) })

    /** Gives everything back, for [reason]. */
    @JvmSynthetic
    public suspend fun release(reason: String? = null): Settlement {
        context.end()
        return settled(awaitNative { open().release(reason) })
    }

    /** Ends when the lease is lost, and says why; may never. */
    @JvmSynthetic
    public suspend fun lost(): CyclesError = cyclesError(Json.readObject(awaitNative { open().lost() }))

    /** Gives up work that was cancelled because its lease was [lost]: nothing is booked. */
    @JvmSynthetic
    public suspend fun abandon() {
        context.end()
        awaitNative { open().abandon() }
    }

    /** Gives everything back, unless it has settled. */
    override fun close() {
        context.end()
        if (closed.compareAndSet(false, true)) native.close()
    }

    /**
     * The money is spent even if [actual] cannot say how much: what is no amount makes the core commit
     * the estimate and say so in the metadata.
     */
    @JvmSynthetic
    internal suspend fun commit(actual: Result<Amount>?): Settlement {
        context.end()
        val report = mapOf(
            "actual" to actual?.fold({ it.document() }, { "threw ${it.javaClass.simpleName}" }),
            "metrics" to context.metrics?.document(),
            "metadata" to context.commitMetadata,
        ).withoutNulls()
        return settled(awaitNative { open().commit(Json.write(report)) })
    }

    private fun settled(text: String): Settlement =
        Settlement(text).also { context.settlement = context.settlement ?: it }

    private fun open(): Guard {
        if (closed.get()) {
            throw CyclesValidationError(ErrorReport("Validation", "the guard is closed; reserve another one"))
        }
        return native
    }
}
