package dev.runcycles

import com.sun.jna.Platform
import dev.runcycles.ffi.InternalException
import dev.runcycles.ffi.NativeException
import kotlinx.coroutines.CoroutineStart
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
} catch (missing: LinkageError) {
    throw libraryMissing(missing)
}

/** The first use of the library names what is wrong with it; later ones only that its class failed. */
internal fun libraryMissing(error: LinkageError): CyclesConfigError {
    val causes = generateSequence<Throwable>(error) { it.cause }
    val said = causes.filterIsInstance<UnsatisfiedLinkError>().firstOrNull() ?: causes.last()
    val message = "the native library cannot be loaded; use a jar that was built for this platform, " +
        "or name the library's folder with -Djna.library.path " +
        "platform=${Platform.RESOURCE_PREFIX} path=${System.getProperty("jna.library.path")} reason=${said.message}"
    return CyclesConfigError(ErrorReport("Config", message, cause = error))
}

/**
 * [native] for calls that suspend.
 *
 * A coroutine without a dispatcher (`suspend fun main`, [Dispatchers.Unconfined]) would go on
 * where its answer came in: on a thread of the core, which must not run the caller's code. What is
 * there already changes no thread.
 */
@OptIn(DelicateCoroutinesApi::class) // cancelling the caller ends its waiting and not the call
internal suspend fun <T> awaitNative(call: suspend () -> T): T {
    val dispatcher = currentCoroutineContext()[ContinuationInterceptor]
    return if (dispatcher == null || dispatcher === Dispatchers.Unconfined) {
        GlobalScope.async(Dispatchers.Default, CoroutineStart.UNDISPATCHED) { native { call() } }.await()
    } else {
        native { call() }
    }
}
