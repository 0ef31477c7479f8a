import dev.runcycles.CyclesClient
import dev.runcycles.CyclesResponse
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope

class Told(val charged: Long, val open: Long)

/** Clients that draw from one budget until it refuses them (`../README.md`). */
suspend fun main() {
    val clients = System.getenv("CLIENTS").toInt()
    println("ready")
    readln()
    val told = coroutineScope {
        (0 until clients).map { number -> async(Dispatchers.IO) { draw(number) } }.awaitAll()
    }
    val (charged, open) = listOf(told.sumOf { it.charged }, told.sumOf { it.open })
    println("""{"language":"kotlin","charged":$charged,"open":$open,"refused":${told.size}}""")
}

private suspend fun draw(number: Int): Told = CyclesClient.fromEnv().use { client ->
    var charged = 0L
    var open = 0L
    var call = 0
    while (true) {
        val amount = 1L + (number * 7 + call * 13) % 97
        val answer = client.createReservation(
            mapOf(
                "subject" to mapOf("tenant" to "acme"),
                "action" to mapOf("kind" to "test", "name" to "oversubscription"),
                "estimate" to tokens(amount),
            ),
        )
        if (answer.status == 409) break
        val reservation = body(answer)["reservation_id"] as String
        when (call % 5) {
            0 -> open += amount
            1 -> body(client.releaseReservation(reservation, emptyMap()))
            else -> {
                val committed = client.commitReservation(reservation, mapOf("actual" to tokens(amount - amount % 3)))
                charged += (body(committed)["charged"] as Map<*, *>)["amount"] as Long
            }
        }
        call += 1
    }
    Told(charged, open)
}

private fun tokens(amount: Long) = mapOf("unit" to "TOKENS", "amount" to amount)

/** The answer, which must be a success. */
private fun body(response: CyclesResponse): Map<String, Any?> {
    check(response.isSuccess) { response }
    return checkNotNull(response.body)
}
