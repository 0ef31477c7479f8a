package dev.runcycles

import dev.runcycles.ffi.CyclesCore
import dev.runcycles.ffi.ManualClock
import dev.runcycles.ffi.TestServer

/**
 * What of the native library is called without an object of it. There are two ways into the
 * library: JNA, which JDK 17 has to use, and the foreign function interface ("FFM") of JDK 22,
 * where a crossing costs a twentieth. Their objects are of the same classes, `dev.runcycles.ffi`.
 */
internal interface Natives {
    fun client(config: String, clock: ManualClock?): CyclesCore
    fun clientFromEnv(prefix: String, timeoutUnit: String): CyclesCore
    fun embedded(seed: String, config: String, clock: ManualClock?): CyclesCore
    fun manualClock(startMs: Long): ManualClock
    fun testServer(seed: String, clock: ManualClock?): TestServer
    fun usdMicrocents(text: String): Long
    fun isToolAllowed(caps: String, tool: String): Boolean
    fun errorSamples(): List<String>
    fun panicInNative(message: String)
    suspend fun panicInNativeTask(message: String)

    companion object {
        /** `jna` or `ffm`, for whoever must not leave it to the JDK. */
        const val PROPERTY = "runcycles.native"

        private const val FFM = "dev.runcycles.FfmNatives"

        /** The way that this process takes. */
        val chosen: Natives by lazy { choose(System.getProperty(PROPERTY)) }

        internal fun choose(wanted: String?): Natives = when (wanted) {
            null -> ffm() ?: JnaNatives
            "jna" -> JnaNatives
            "ffm" -> ffm() ?: throw unusable(
                "$PROPERTY=ffm needs a JDK of 22 or later and the jar as it was published; leave $PROPERTY out " +
                    "jdk=${Runtime.version().feature()}",
            )
            else -> throw unusable("$PROPERTY is jna or ffm $PROPERTY=$wanted")
        }

        /** Absent where the JDK is older, and where a repacked jar lost what only newer JDKs read. */
        private fun ffm(): Natives? {
            if (Runtime.version().feature() < 22) return null
            return try {
                Class.forName("dev.runcycles.ffm.RuncyclesUniffi", false, Natives::class.java.classLoader)
                Class.forName(FFM).getDeclaredConstructor().newInstance() as Natives
            } catch (absent: ClassNotFoundException) {
                null
            }
        }

        private fun unusable(message: String) = CyclesConfigError(ErrorReport("Config", message))
    }
}

/** By JNA. */
internal object JnaNatives : Natives {
    override fun client(config: String, clock: ManualClock?) = CyclesCore(config, clock)
    override fun clientFromEnv(prefix: String, timeoutUnit: String) = CyclesCore.fromEnv(prefix, timeoutUnit)
    override fun embedded(seed: String, config: String, clock: ManualClock?) = CyclesCore.embedded(seed, config, clock)
    override fun manualClock(startMs: Long) = ManualClock(startMs)
    override fun testServer(seed: String, clock: ManualClock?) = TestServer(seed, clock)
    override fun usdMicrocents(text: String) = dev.runcycles.ffi.usdMicrocents(text)
    override fun isToolAllowed(caps: String, tool: String) = dev.runcycles.ffi.isToolAllowed(caps, tool)
    override fun errorSamples() = dev.runcycles.ffi.errorSamples()
    override fun panicInNative(message: String) = dev.runcycles.ffi.panicInNative(message)
    override suspend fun panicInNativeTask(message: String) = dev.runcycles.ffi.panicInNativeTask(message)
}
