package dev.runcycles.testing

import dev.runcycles.Natives
import dev.runcycles.native
import dev.runcycles.ffi.ManualClock as NativeManualClock

/**
 * A clock that moves only when told to; one clock drives a [TestServer] and the SDK alike.
 *
 * All times are milliseconds.
 */
public class ManualClock @JvmOverloads constructor(startMs: Long = 1_800_000_000_000) {
    internal val native: NativeManualClock = native { Natives.chosen.manualClock(startMs) }

    /** Moves time forward by [ms]; whoever waited for a moment up to there wakes. */
    public fun advance(ms: Long): Unit = native { native.advance(ms.toULong()) }

    /** The time, Unix milliseconds. */
    public fun nowMs(): Long = native { native.nowMs() }
}
