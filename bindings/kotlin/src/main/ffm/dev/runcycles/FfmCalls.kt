package dev.runcycles

import dev.runcycles.ffi.InternalException
import dev.runcycles.ffi.NativeException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.asExecutor
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionException
import java.util.concurrent.Executor
import dev.runcycles.ffm.InternalException as JavaInternalException
import dev.runcycles.ffm.NativeException as JavaNativeException

/** Makes a call of the generated Java; its errors come out as those of the generated Kotlin. */
internal inline fun <T> calling(call: () -> T): T = try {
    call()
} catch (error: JavaNativeException.Report) {
    throw NativeException.Report(error.msg())
} catch (panic: JavaInternalException) {
    throw InternalException(panic.message.orEmpty())
}

/**
 * [calling] for calls that answer a future.
 *
 * What is to be done for one (poll, take the answer, free) runs in the coroutine that waits for it:
 * there is no pool that the caller's own work could fill, and no change of threads for an answer that is
 * there. It must not run where the future is woken: see the generated methods.
 */
internal suspend fun <T> awaiting(start: (Executor) -> CompletableFuture<T>): T = calling {
    // What nobody waits for any more still frees what it holds.
    val steps = Channel<Runnable>(Channel.UNLIMITED) { unclaimed -> elsewhere.execute(unclaimed) }
    val future = start { step -> if (steps.trySend(step).isFailure) elsewhere.execute(step) }
    try {
        while (!future.isDone) {
            // An answer that is there is no answer for a coroutine that was cancelled.
            currentCoroutineContext().ensureActive()
            steps.receive().run()
        }
    } finally {
        if (!future.isDone) future.cancel(true)
        steps.cancel()
    }
    try {
        future.join()
    } catch (failed: CompletionException) {
        throw failed.cause ?: failed
    }
}

private val elsewhere: Executor = Dispatchers.Default.asExecutor()
