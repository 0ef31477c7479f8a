import dev.runcycles.Amount
import dev.runcycles.CyclesClient
import dev.runcycles.CyclesOptions
import dev.runcycles.Subject
import dev.runcycles.testing.TestServer

val runs = setting("BENCH_RUNS", 5)
val calls = setting("BENCH_CALLS", 1000)
val SEED = mapOf("tenant:acme" to Amount.tokens(1_000_000_000))

/** What a guarded call costs in Kotlin. See `cargo xtask bench`. */
suspend fun main() {
    val embedded = CyclesClient.embedded(SEED).use { measure(it) }
    val http = TestServer(SEED).use { server -> server.client().use { measure(it) } }
    println("""{"language":"kotlin","embedded":$embedded,"http":$http}""")
}

/** p50 and p99 of each run, as JSON; the first run only warms up. */
suspend fun measure(client: CyclesClient): String {
    val call = CyclesOptions(Amount.tokens(10), subject = Subject(tenant = "acme"))
    val results = (0..runs).map {
        val times = LongArray(calls)
        for (index in times.indices) {
            val start = System.nanoTime()
            client.withCycles(call) { }
            times[index] = System.nanoTime() - start
        }
        times.sort()
        """{"p50_us":${times[calls / 2] / 1e3},"p99_us":${times[calls * 99 / 100] / 1e3}}"""
    }
    return results.drop(1).joinToString(",", "[", "]")
}

fun setting(name: String, default: Int): Int = System.getenv(name)?.toInt() ?: default
