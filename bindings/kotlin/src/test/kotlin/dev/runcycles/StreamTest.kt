package dev.runcycles

import dev.runcycles.testing.FaultKind
import dev.runcycles.testing.Transport
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.flow.asFlow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

class StreamTest {
    private val pieces = List(10) { 20L }

    @Test
    fun `a flow is cut at its hold and what flowed is committed`() = onServer(Transport.HTTP) { fixture ->
        fixture.client.reserveStream(tokens(100), OnLimit.CUT).use { stream ->
            val seen = stream.watch(pieces.asFlow()) { stream.addOutputTokens(it) }.toList()
            assertEquals(5, seen.size)
            assertTrue(stream.isCut && stream.isSettled)
        }
        assertEquals(100, fixture.budget.spent)
    }

    @Test
    fun `a collector that goes away and a flow that fails settle too`() = onServer(Transport.HTTP) { fixture ->
        fixture.client.reserveStream(tokens(100)).use { stream ->
            stream.watch(pieces.asFlow()) { stream.addOutputTokens(it) }.take(2).toList()
            assertTrue(stream.isSettled)
        }
        assertEquals(40, fixture.budget.spent)
        val broken = flow<Long> { error("model fell over") }
        fixture.client.reserveStream(tokens(100)).use { stream ->
            assertThrows<IllegalStateException> { runBlockingNow { stream.watch(broken).toList() } }
        }
        assertEquals(40, fixture.budget.spent)
        assertEquals(0, fixture.budget.reserved)
    }

    @Test
    fun `under the policy cancel a lost lease ends a flow that waits`() =
        onServer(Transport.HTTP, CyclesConfig(heartbeatPolicy = "cancel")) { fixture ->
            fixture.server.inject("extend", FaultKind.STATUS, status = 410, code = "RESERVATION_EXPIRED")
            fixture.client.reserveStream(tokens(100).copy(ttlMs = 5_000)).use { stream ->
                val silent = flow {
                    emit(20L)
                    fixture.clock.advance(2_000)
                    awaitCancellation()
                }
                assertEquals(listOf(20L), stream.watch(silent) { stream.addOutputTokens(it) }.toList())
                assertTrue(stream.isCut && stream.isSettled && stream.cancelsWhenLost)
                assertEquals(20, fixture.budget.spent)
            }
        }

    @Test
    fun `a cost function says what is committed and one that throws marks the estimate`() =
        onServer(Transport.HTTP) { fixture ->
            fixture.client.reserveStream(tokens(100), cost = { it.tokensOutput * 3 }).use { stream ->
                stream.addOutputTokens(10)
                assertEquals(Settlement.Outcome.COMMITTED, stream.finish().outcome)
                assertEquals(Settlement.Outcome.ALREADY_SETTLED, stream.abort().outcome)
            }
            assertEquals(30, fixture.budget.spent)
        }

    @Test
    fun `what is said in the context goes with the commit`() = onServer(Transport.HTTP) { fixture ->
        val id = fixture.client.reserveStream(tokens(100)).use { stream ->
            stream.context.metrics = CyclesMetrics(tokensInput = 7)
            stream.context.commitMetadata = mapOf("source" to "context")
            stream.record { it.copy(actual = 5, metadata = mapOf("source" to "usage", "kept" to true)) }
            stream.finish()
            stream.context.reservationId!!
        }
        val committed = fixture.client.getReservation(id).body!!
        assertEquals(mapOf("source" to "context", "kept" to true), committed["committed_metadata"])
    }

    @Test
    fun `a block whose lease is lost is cancelled where the policy says so`() =
        onServer(Transport.HTTP, CyclesConfig(heartbeatPolicy = "cancel")) { fixture ->
            fixture.server.inject("extend", FaultKind.STATUS, status = 410, code = "RESERVATION_EXPIRED")
            var cancelled = false
            val options = tokens(100).apply { ttlMs = 5_000 }
            assertThrows<ReservationExpiredError> {
                runBlockingNow {
                    fixture.client.withCycles(options) {
                        fixture.clock.advance(2_000)
                        try {
                            awaitCancellation()
                        } finally {
                            cancelled = true
                        }
                    }
                }
            }
            assertTrue(cancelled)
            assertEquals(0, fixture.budget.spent)
            assertFalse(fixture.server.count("commit") > 0)
        }
}

/** Inside of a test that already blocks: assertThrows takes no suspending block. */
private fun <T> runBlockingNow(block: suspend () -> T): T = kotlinx.coroutines.runBlocking { block() }
