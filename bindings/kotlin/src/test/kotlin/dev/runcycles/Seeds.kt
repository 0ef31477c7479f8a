package dev.runcycles

import dev.runcycles.testing.ManualClock
import dev.runcycles.testing.TestServer
import dev.runcycles.testing.Transport
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.runBlocking

/** One tenant with 1,000 tokens. */
const val SEED: String = """
tenants: [{tenant_id: acme}]
keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
budgets: [{scope: "tenant:acme", unit: TOKENS, allocated: 1000}]
"""

fun tokens(amount: Long): CyclesOptions =
    CyclesOptions(Amount.tokens(amount), Action("llm.completion", "test-model"), Subject(tenant = "acme"))

/** A server of its own, a client on it, and the acme budget. */
class Fixture(transport: Transport, config: CyclesConfig = CyclesConfig()) : AutoCloseable {
    val clock: ManualClock = ManualClock()
    val server: TestServer = TestServer(SEED, clock)
    val client: CyclesClient = server.client(transport = transport, config = config)
    val budget get() = server.budget("tenant:acme", CyclesUnit.TOKENS)

    override fun close() {
        client.close()
        server.close()
    }
}

fun onServer(
    transport: Transport,
    config: CyclesConfig = CyclesConfig(),
    test: suspend CoroutineScope.(Fixture) -> Unit,
): Unit = Fixture(transport, config).use { fixture -> runBlocking { test(fixture) } }
