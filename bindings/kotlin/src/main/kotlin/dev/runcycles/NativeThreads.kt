package dev.runcycles

import com.sun.jna.CallbackThreadInitializer
import com.sun.jna.Native
import dev.runcycles.ffi.uniffiRustFutureContinuationCallbackImpl

/**
 * Lets the core's threads stay known to the JVM.
 *
 * Without this, JNA makes a Java thread of a native one for each single callback and takes it
 * apart again, which costs more than the call that was waited for.
 */
internal object NativeThreads {
    init {
        Native.setCallbackThreadInitializer(
            uniffiRustFutureContinuationCallbackImpl,
            CallbackThreadInitializer(true, false, "cycles-native"),
        )
    }

    /** Takes effect once; must come before the first call that suspends. */
    fun stayAttached(): Unit = Unit
}
