import dev.runcycles.Action
import dev.runcycles.Amount
import dev.runcycles.BudgetExceededError
import dev.runcycles.CyclesClient
import dev.runcycles.CyclesOptions
import dev.runcycles.Subject
import kotlinx.coroutines.delay

/** An agent that never stops by itself: it calls its model until the budget does not allow it. */
suspend fun main() {
    val cent = Amount.usd("0.01")
    val call = CyclesOptions(
        estimate = cent,
        action = Action("llm.completion", "pretend-model"),
        subject = Subject(agent = "kotlin"),
    )
    var calls = 0
    var spent = 0L

    // CYCLES_BASE_URL and CYCLES_API_KEY say where the budget is kept.
    CyclesClient.fromEnv().use { client ->
        try {
            while (true) {
                val answer = client.withCycles(call, actual = { cent }) { complete("What next?") }
                calls += 1
                spent += cent.amount
                println("kotlin: call $calls: $answer")
            }
        } catch (denied: BudgetExceededError) {
            println("kotlin: stopped: ${denied.message}")
        }
    }
    println("""{"language":"kotlin","calls":$calls,"denials":1,"spent_microcents":$spent}""")
}

/** Stands for a call to a model. */
private suspend fun complete(prompt: String): String {
    delay(150)
    return "more of \"$prompt\""
}
