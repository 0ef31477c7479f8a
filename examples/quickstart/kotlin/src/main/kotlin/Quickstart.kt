import dev.runcycles.Amount
import dev.runcycles.BudgetExceededError
import dev.runcycles.CyclesClient
import dev.runcycles.CyclesOptions

const val SEED = """
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets: [{scope: "tenant:acme", unit: TOKENS, allocated: 1000}]"""

val client = CyclesClient.embedded(SEED) { tenant = "acme" }

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
