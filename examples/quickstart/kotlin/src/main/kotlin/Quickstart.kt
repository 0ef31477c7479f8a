import dev.runcycles.Amount
import dev.runcycles.BudgetExceededError
import dev.runcycles.CyclesClient
import dev.runcycles.CyclesOptions

val client = CyclesClient.embedded(mapOf("tenant:acme" to Amount.tokens(1000)))

suspend fun ask(prompt: String): String =
    client.withCycles(CyclesOptions(Amount.tokens(600)), actual = { Amount.tokens(420) }) {
        "an answer to $prompt" // your model call
    }

suspend fun main() {
    println(ask("What is a budget?"))
    try {
        ask("And another one?")
    } catch (denied: BudgetExceededError) {
        println("denied before the model was called")
    }
}
