package dev.runcycles

import dev.runcycles.testing.TestServer
import dev.runcycles.testing.Transport
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Test
import java.nio.file.Files
import java.nio.file.Path

fun main() = ProbeTest().probe()

class ProbeTest {
    @Test
    fun probe() = runBlocking {
        TestServer(SEED.replace("1000", "1000000000")).use { server ->
            val client = server.client(transport = Transport.LOCAL)
            suspend fun phase(name: String, n: Int, f: suspend () -> Unit) {
                repeat(1000) { f() }
                val b = rss(); val t = System.nanoTime()
                repeat(n) { f() }
                println("PROBE $name ${rss() - b} MiB heap ${Runtime.getRuntime().totalMemory() / 1048576} us/call ${(System.nanoTime() - t) / 1000 / n}")
            }
            when (System.getProperty("probe")) {
                "ctx" -> client.core.guard(tokens(1).json(false)).let { g -> g.reserve(); repeat(5) { phase("ctx", 10000) { g.context() } } }
                "dry" -> repeat(5) { phase("dry", 10000) { client.dryRun(tokens(1)) } }
                "drop" -> repeat(5) { phase("drop", 10000) { client.core.guard(tokens(1).json(false)).use { it.reserve() } } }
                "bal" -> repeat(5) { phase("bal", 10000) { client.getBalances(mapOf("tenant" to "acme")) } }
                else -> repeat(5) { phase("guarded", 10000) { client.withCycles(tokens(1)) {} } }
            }
        }
    }

    private fun rss(): Long {
        System.gc(); Thread.sleep(500); System.gc(); Thread.sleep(500)
        val line = Files.readAllLines(Path.of("/proc/self/status")).first { it.startsWith("VmRSS") }
        return line.filter(Char::isDigit).toLong() / 1024
    }
}
