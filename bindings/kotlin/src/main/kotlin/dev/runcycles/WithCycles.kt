package dev.runcycles

import dev.runcycles.ffi.Guard
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.async
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/**
 * Runs [block] against a budget: reserves the estimate, keeps the reservation alive while the
 * block runs, and commits what it cost.
 *
 * When the block throws, or its coroutine is cancelled, the reservation is released and the
 * exception goes on. A settlement that fails never costs the caller its result: see
 * [CyclesContext.settlement]. Cancelling the coroutine during a settlement does not undo it; it
 * goes on without the caller.
 *
 * @param actual what the result cost, in the estimate's unit; without it, or where it
 *   throws, the estimate is committed
 * @throws BudgetExceededError if a budget does not have the estimate; the block did not run
 * @throws CyclesError if the reservation could not be made for another reason; the block did not run
 */
public suspend fun <T> withCycles(
    client: CyclesClient,
    options: CyclesOptions,
    actual: ((T) -> Amount)? = null,
    block: suspend (CyclesContext) -> T,
): T = native {
    client.core.guard(options.json(dryRun = false), CyclesContext.current()?.parent)
}.use { guard ->
    awaitNative { guard.reserve() }
    val context = CyclesContext(guard)
    val outcome = if (native { guard.cancels() }) {
        outcomeUnlessLost(guard, context, block)
    } else {
        outcome(context, block)
    }
    context.end()
    outcome.fold(
        onSuccess = { result ->
            guard.commit(context, actual?.let { cost -> runCatching { cost(result) } })
            result
        },
        onFailure = { error ->
            if (error is LeaseLost) {
                awaitNative { guard.abandon() }
                throw error.report
            }
            guard.releaseAfter(error, context)
            throw error
        },
    )
}

/** Why a block is cancelled whose lease was lost, until the error goes out. */
private class LeaseLost(val report: CyclesError) : CancellationException(report.message)

/** What the block did, cancelled when the lease is lost. */
private suspend fun <T> outcomeUnlessLost(
    guard: Guard,
    context: CyclesContext,
    block: suspend (CyclesContext) -> T,
): Result<T> = coroutineScope {
    val work = async(start = CoroutineStart.UNDISPATCHED) { outcome(context, block) }
    val watch = launch {
        work.cancel(LeaseLost(cyclesError(Json.readObject(native { guard.lost() }))))
    }
    try {
        work.await()
    } catch (lost: LeaseLost) {
        Result.failure(lost)
    } finally {
        watch.cancel()
    }
}

/** What the block did, even if its coroutine was cancelled on its way out of it. */
private suspend fun <T> outcome(context: CyclesContext, block: suspend (CyclesContext) -> T): Result<T> {
    var outcome: Result<T>? = null
    return try {
        withContext(CyclesContext.Element(context)) {
            runCatching { block(context) }.also { outcome = it }
        }
    } catch (cancelled: CancellationException) {
        outcome ?: Result.failure(cancelled)
    }
}

/**
 * The money is spent even if [actual] cannot say how much: what is no amount makes the core commit
 * the estimate and say so in the metadata.
 */
private suspend fun Guard.commit(context: CyclesContext, actual: Result<Amount>?) {
    val report = mapOf(
        "actual" to actual?.fold({ it.document() }, { "threw ${it.javaClass.simpleName}" }),
        "metrics" to context.metrics?.document(),
        "metadata" to context.commitMetadata,
    ).withoutNulls()
    context.settlement = Settlement(Json.readObject(awaitNative { commit(Json.write(report)) }))
}

// The name of the error's class and not its message: that may hold what must not leave the process.
private suspend fun Guard.releaseAfter(error: Throwable, context: CyclesContext) {
    try {
        context.settlement = Settlement(Json.readObject(awaitNative { release(error.javaClass.simpleName) }))
    } catch (cancelled: CancellationException) {
        // Only the waiting ended; the release is on its way.
    } catch (failed: CyclesError) {
        error.addSuppressed(failed)
    }
}
