package dev.runcycles

import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.suspendCancellableCoroutine
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionException
import java.util.concurrent.CompletionStage
import java.util.concurrent.Future
import kotlin.coroutines.CoroutineContext
import kotlin.coroutines.EmptyCoroutineContext
import kotlin.coroutines.resume

/** The caller's guarded block, for work that goes on elsewhere. */
private fun surroundings(): CoroutineContext =
    CyclesContext.current()?.let { CyclesContext.Element(it) } ?: EmptyCoroutineContext

/**
 * A future of what [call] answers on [dispatcher]; cancelling the future cancels the coroutine.
 *
 * @param onUnclaimed is handed an answer that comes after the future was cancelled
 */
@OptIn(DelicateCoroutinesApi::class) // the future is the handle
internal fun <T> future(
    dispatcher: CoroutineDispatcher,
    onUnclaimed: (T) -> Unit = {},
    call: suspend () -> T,
): CompletableFuture<T> {
    val future = CompletableFuture<T>()
    val job = GlobalScope.launch(dispatcher + surroundings()) {
        runCatching { call() }.fold(
            onSuccess = { answer -> if (!future.complete(answer)) onUnclaimed(answer) },
            onFailure = { error -> future.completeExceptionally(error) },
        )
    }
    future.whenComplete { _, _ -> job.cancel() }
    return future
}

/**
 * How the stage ended; cancelling the coroutine cancels it. A result, because coroutines may replace
 * an exception of its own by a copy.
 */
internal suspend fun <T> CompletionStage<T>.outcome(): Result<T> = suspendCancellableCoroutine { waiting ->
    waiting.invokeOnCancellation { (this as? Future<*>)?.cancel(true) }
    whenComplete { value, error ->
        waiting.resume(
            if (error == null) Result.success(value) else Result.failure((error as? CompletionException)?.cause ?: error),
        )
    }
}

/**
 * Waits for [call] on the calling thread.
 *
 * @throws CyclesTransportError when the thread is interrupted; it stays so
 */
internal fun <T> waitFor(call: suspend () -> T): T = try {
    runBlocking { call() }
} catch (interrupted: InterruptedException) {
    Thread.currentThread().interrupt()
    val message = "the thread was interrupted before the authority's answer arrived"
    throw CyclesTransportError(ErrorReport("Transport", message, cause = interrupted))
}

/** [waitFor] something that must be closed where nobody gets it. */
internal fun <T : AutoCloseable> waitForOpened(open: suspend () -> T): T {
    var opened: T? = null
    return try {
        waitFor { open().also { opened = it } }
    } catch (interrupted: CyclesTransportError) {
        opened?.close()
        throw interrupted
    }
}
