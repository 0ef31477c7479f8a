package dev.runcycles

import dev.runcycles.testing.FaultKind
import dev.runcycles.testing.Transport
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource

class FaultTest {
    @ParameterizedTest
    @EnumSource(Transport::class)
    fun `a lost answer is charged once`(transport: Transport) = onServer(transport) { fixture ->
        fixture.server.inject("commit", FaultKind.DROP_AFTER)
        assertEquals("an answer", fixture.client.withCycles(tokens(100), actual = { Amount.tokens(60) }) { "an answer" })
        fixture.clock.advance(500)
        fixture.server.waitFor("commit", 2)
        assertEquals(60, fixture.budget.spent)
        assertEquals(emptyList<Any>(), fixture.server.pendingFaults())
    }

    @ParameterizedTest
    @EnumSource(Transport::class)
    fun `a refusal and a lost create are typed`(transport: Transport) = onServer(transport) { fixture ->
        fixture.server.inject("create_reservation", FaultKind.STATUS, status = 429, retryAfterMs = 1_500)
        fixture.server.inject("create_reservation", FaultKind.DROP_BEFORE, times = 2)
        val throttled = assertThrows<CyclesError> { fixture.client.withCycles(tokens(1)) {} }
        assertEquals("LIMIT_EXCEEDED", throttled.code)
        assertEquals(2_000, throttled.retryAfterMs)
        assertThrows<CyclesTransportError> { fixture.client.withCycles(tokens(1)) {} }
        assertEquals(0, fixture.server.count("create_reservation"))
        fixture.client.withCycles(tokens(1)) {}
    }

    @Test
    fun `pending faults can be waited for and cleared`() = onServer(Transport.LOCAL) { (server, _) ->
        server.inject("commit", FaultKind.DELAY, skip = 1, delayMs = 1_000)
        val delay = mapOf("operation" to "commit", "kind" to "delay", "times" to 1L, "skip" to 1L, "delay_ms" to 1_000L)
        assertEquals(listOf(delay), server.pendingFaults())
        val error = assertThrows<CyclesError> { server.waitForFaults("commit", timeoutMs = 1) }
        assertTrue("delay_ms" in error.message.orEmpty(), error.message)
        server.waitForFaultsBlocking("release")
        server.clearFaults()
        assertEquals(emptyList<Any>(), server.pendingFaults())
    }

    @Test
    fun `a fault that could not fire is refused`() = onServer(Transport.LOCAL) { (server, _) ->
        fun refused(said: String, inject: () -> Unit) {
            val error = assertThrows<CyclesValidationError> { inject() }
            assertTrue(said in error.message.orEmpty(), error.message)
        }
        refused("create_reservation, commit") { server.inject("comit", FaultKind.DROP_AFTER) }
        refused("field=status") { server.inject("commit", FaultKind.DROP_AFTER, status = 503) }
        refused("400 to 599") { server.inject("commit", FaultKind.STATUS, status = 200) }
        refused("needs delay_ms") { server.inject("commit", FaultKind.DELAY) }
        refused("times") { server.inject("commit", FaultKind.DROP_AFTER, times = -1) }
        assertEquals(emptyList<Any>(), server.pendingFaults())
    }
}

private operator fun Fixture.component1() = server
private operator fun Fixture.component2() = client
