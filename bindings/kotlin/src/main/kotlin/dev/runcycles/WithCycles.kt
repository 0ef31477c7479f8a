package dev.runcycles

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
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
@JvmSynthetic
public suspend fun <T> withCycles(
    client: CyclesClient,
    options: CyclesOptions,
    actual: ((T) -> Amount)? = null,
    block: suspend (CyclesContext) -> T,
): T = client.reserve(options).use { guard ->
    val outcome = if (guard.cancelsWhenLost) outcomeUnlessLost(guard, block) else outcome(guard, block)
    outcome.fold(
        onSuccess = { result ->
            guard.commit(actual?.let { cost -> runCatching { cost(result) } })
            result
        },
        onFailure = { error ->
            if (error is LeaseLost) {
                guard.abandon()
                throw error.report
            }
            guard.releaseAfter(error)
            throw error
        },
    )
}

/** Why a block is cancelled whose lease was lost, until the error goes out. */
private class LeaseLost(val report: CyclesError) : CancellationException(report.message)

/** What the block did, cancelled when the lease is lost. */
private suspend fun <T> outcomeUnlessLost(
    guard: CyclesGuard,
    block: suspend (CyclesContext) -> T,
): Result<T> = coroutineScope {
    // Started by `await`, and watched from elsewhere: a Java block occupies this thread.
    val work = async(start = CoroutineStart.LAZY) { outcome(guard, block) }
    val watch = launch(Dispatchers.Default) { work.cancel(LeaseLost(guard.lost())) }
    try {
        work.await()
    } catch (lost: LeaseLost) {
        Result.failure(lost)
    } finally {
        watch.cancel()
    }
}

/** What the block did, even if its coroutine was cancelled on its way out of it. */
private suspend fun <T> outcome(guard: CyclesGuard, block: suspend (CyclesContext) -> T): Result<T> {
    var outcome: Result<T>? = null
    return try {
        guard.within {
            runCatching { block(guard.context) }.also { outcome = it }
        }
    } catch (cancelled: CancellationException) {
        outcome ?: Result.failure(cancelled)
    }
}

// The name of the error's class and not its message: that may hold what must not leave the process.
private suspend fun CyclesGuard.releaseAfter(error: Throwable) {
    try {
        release(error.javaClass.simpleName)
    } catch (cancelled: CancellationException) {
        // Only the waiting ended; the release is on its way.
    } catch (failed: CyclesError) {
        error.addSuppressed(failed)
    }
}
