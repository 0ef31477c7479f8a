package dev.runcycles

import dev.runcycles.testing.Transport
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.nio.file.Files
import java.nio.file.Path

class SoakTest {
    // pom.xml fixes the heap: what native calls hold is freed by its collections.
    @Test
    fun `ten thousand calls keep the memory where it was`() = onServer(Transport.LOCAL) { fixture ->
        suspend fun calls(count: Int) = repeat(count) { fixture.client.withCycles(tokens(0)) {} }
        calls(1_000)
        val before = residentMegabytes()
        calls(10_000)
        val grown = residentMegabytes() - before
        // The memory store keeps each reservation, some 1.5 KiB.
        assertTrue(grown < 48, "grew by $grown MiB")
    }

    private fun residentMegabytes(): Long {
        System.gc()
        val line = Files.readAllLines(Path.of("/proc/self/status")).first { it.startsWith("VmRSS") }
        return line.filter(Char::isDigit).toLong() / 1024
    }
}
