package dev.runcycles

import dev.runcycles.ffi.InternalException
import dev.runcycles.ffi.NativeException
import kotlinx.coroutines.DelicateCoroutinesApi
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.GlobalScope
import kotlinx.coroutines.async
import kotlinx.coroutines.currentCoroutineContext
import kotlin.coroutines.ContinuationInterceptor

/** Runs a native [call]; its errors, panics included, come out as [CyclesError]. */
internal inline fun <T> native(call: () -> T): T = try {
    call()
} catch (error: NativeException.Report) {
    throw cyclesError(Json.readObject(error.msg), error)
} catch (panic: InternalException) {
    throw CyclesInternalError(ErrorReport("Internal", panic.message ?: "the native core failed", cause = panic))
}

/**
 * [native] for calls that suspend.
 *
 * A coroutine without a dispatcher (`suspend fun main`, [Dispatchers.Unconfined]) would go on
 * where its answer came in: on a thread of the core, which must not run the caller's code.
 */
@OptIn(DelicateCoroutinesApi::class) // cancelling the caller ends its waiting and not the call
internal suspend fun <T> awaitNative(call: suspend () -> T): T {
    val dispatcher = currentCoroutineContext()[ContinuationInterceptor]
    return if (dispatcher == null || dispatcher === Dispatchers.Unconfined) {
        GlobalScope.async(Dispatchers.Default) { native { call() } }.await()
    } else {
        native { call() }
    }
}
