package dev.runcycles

import dev.runcycles.ffi.CyclesCoreInterface
import dev.runcycles.ffi.GuardInterface
import dev.runcycles.ffi.ManualClockInterface
import dev.runcycles.ffi.NotificationQueueInterface
import dev.runcycles.ffi.ParentInterface
import dev.runcycles.ffi.StreamInterface
import dev.runcycles.ffi.TestServerInterface
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import java.lang.reflect.Method

/** pom.xml runs all tests once for each way into the library, and names it. */
class NativesTest {
    private val isFfm = System.getProperty(Natives.PROPERTY) == "ffm"

    @Test
    fun `the way that was named is taken`() {
        assertEquals(if (isFfm) "FfmNatives" else "JnaNatives", Natives.chosen.javaClass.simpleName)
        assertSame(JnaNatives, Natives.choose("jna"))
        if (isFfm) {
            assertSame(Natives.chosen.javaClass, Natives.choose(null).javaClass)
            assertEquals(emptyList<Any>(), leftToJna())
        }
    }

    @Test
    fun `a way that does not exist is an error that names the setting`() {
        val error = assertThrows<CyclesConfigError> { Natives.choose("jni") }
        assertEquals("runcycles.native is jna or ffm runcycles.native=jni", error.message)
        if (Runtime.version().feature() < 22) {
            assertSame(JnaNatives, Natives.choose(null))
            val old = assertThrows<CyclesConfigError> { Natives.choose("ffm") }
            assertTrue(old.message!!.contains("JDK of 22"), old.message)
        }
    }

    /** The classes on FFM inherit from those on JNA: what one does not override would fail when it is called. */
    private fun leftToJna(): List<Any> {
        val classes = mapOf(
            CyclesCoreInterface::class to "FfmCore",
            GuardInterface::class to "FfmGuard",
            ManualClockInterface::class to "FfmClock",
            NotificationQueueInterface::class to "FfmQueue",
            ParentInterface::class to "FfmParent",
            StreamInterface::class to "FfmStream",
            TestServerInterface::class to "FfmServer",
        )
        return classes.flatMap { (generated, name) ->
            val own = Class.forName("dev.runcycles.$name").declaredMethods.map(::signature).toSet()
            generated.java.methods.map(::signature).filter { it !in own }.map { name to it }
        }
    }

    private fun signature(method: Method) = method.name to method.parameterTypes.toList()
}
