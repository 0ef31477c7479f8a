import dev.runcycles.Action
import dev.runcycles.Amount
import dev.runcycles.CyclesClient
import dev.runcycles.CyclesConfig
import dev.runcycles.CyclesOptions
import kotlinx.coroutines.awaitCancellation

/** A process that spends, for tests that kill it (`../README.md`). */
suspend fun main(arguments: Array<String>) {
    val (baseUrl, apiKey, journal, calls) = arguments
    val config = CyclesConfig(
        baseUrl = baseUrl,
        apiKey = apiKey,
        tenant = "acme",
        journalDir = journal,
        onUnreachable = "allow",
        readTimeoutMs = 60_000,
    )
    val client = CyclesClient.create(config)
    val call = CyclesOptions(Amount.tokens(5), Action("llm", "m"))
    if (calls == "endless") {
        client.withCycles(call) { context ->
            println("""{"running":"${context.reservationId}"}""")
            awaitCancellation()
        }
    }
    repeat(calls.toInt()) { client.withCycles(call) {} }
    val left = client.flush(60_000)
    val journalled = checkNotNull(client.journalStats())
    println("""{"left":$left,"journal":{"quarantined":${journalled.quarantined},"lost":${journalled.lost}}}""")
    System.`in`.readAllBytes()
}
