package dev.runcycles

import dev.runcycles.testing.Transport
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import kotlinx.coroutines.yield
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.assertThrows
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource

class WithCyclesTest {
    @ParameterizedTest
    @EnumSource(Transport::class)
    fun `a result commits its actual`(transport: Transport) = onServer(transport) { (server, client) ->
        lateinit var context: CyclesContext
        val result = client.withCycles(tokens(100), actual = { text: String -> Amount.tokens(text.length.toLong()) }) {
            context = it
            assertEquals(100, server.budget("tenant:acme", CyclesUnit.TOKENS).reserved)
            it.metrics = CyclesMetrics(tokensInput = 3, tokensOutput = 2)
            it.commitMetadata = mapOf("run" to "r-1")
            "hello"
        }

        assertEquals("hello", result)
        assertEquals(Settlement.Outcome.COMMITTED, context.settlement?.outcome)
        assertEquals(Decision.ALLOW, context.decision)
        assertEquals(Amount.tokens(100), context.estimate)
        assertTrue(context.affectedScopes.contains("tenant:acme"))
        val budget = server.budget("tenant:acme", CyclesUnit.TOKENS)
        assertEquals(5, budget.spent)
        assertEquals(995, budget.remaining)
    }

    @ParameterizedTest
    @EnumSource(Transport::class)
    fun `without an actual the estimate is committed`(transport: Transport) = onServer(transport) { fixture ->
        withCycles(fixture.client, tokens(100)) {}
        assertEquals(100, fixture.budget.spent)
    }

    @ParameterizedTest
    @EnumSource(Transport::class)
    fun `an exception releases and goes on`(transport: Transport) = onServer(transport) { fixture ->
        val boom = IllegalStateException("boom")
        lateinit var context: CyclesContext
        val thrown = assertThrows<IllegalStateException> {
            fixture.client.withCycles(tokens(100)) {
                context = it
                throw boom
            }
        }

        assertSame(boom, thrown)
        assertEquals(Settlement.Outcome.RELEASED, context.settlement?.outcome)
        assertEquals(1000, fixture.budget.remaining)
        assertEquals(0, fixture.budget.spent)
    }

    @ParameterizedTest
    @EnumSource(Transport::class)
    fun `a denial is typed and the block never runs`(transport: Transport) = onServer(transport) { fixture ->
        var ran = false
        val denial = assertThrows<BudgetExceededError> {
            fixture.client.withCycles(tokens(1001)) { ran = true }
        }

        assertFalse(ran)
        assertEquals("BUDGET_EXCEEDED", denial.code)
        assertEquals(409, denial.status)
        assertTrue(denial.cause != null)
        assertEquals(0, fixture.budget.reserved)
    }

    @ParameterizedTest
    @EnumSource(Transport::class)
    fun `an actual that throws commits the estimate`(transport: Transport) = onServer(transport) { fixture ->
        val actual = { _: Int -> throw ArithmeticException() }
        assertEquals(1, fixture.client.withCycles(tokens(100), actual) { 1 }, "the caller keeps its result")
        assertEquals(100, fixture.budget.spent)
        assertEquals(0, fixture.budget.reserved)
    }

    @ParameterizedTest
    @EnumSource(Transport::class)
    fun `a cancelled block is released`(transport: Transport) = onServer(transport) { fixture ->
        val running = CompletableDeferred<Unit>()
        val job = launch {
            fixture.client.withCycles(tokens(100)) {
                running.complete(Unit)
                awaitCancellation()
            }
        }
        running.await()
        job.cancel()
        job.join()
        fixture.server.waitFor("release", 1)

        assertEquals(1000, fixture.budget.remaining)
    }

    @ParameterizedTest
    @EnumSource(Transport::class)
    fun `a block that returned is committed although its coroutine was cancelled`(transport: Transport) =
        onServer(transport) { fixture ->
            var cancelled: CancellationException? = null
            val job = launch(Dispatchers.Default) {
                val caller = currentCoroutineContext()
                try {
                    fixture.client.withCycles(tokens(100)) { caller.cancel() }
                } catch (error: CancellationException) {
                    cancelled = error
                }
            }
            job.join()
            fixture.server.waitFor("commit", 1)

            assertTrue(cancelled != null)
            assertEquals(100, fixture.budget.spent)
            assertEquals(0, fixture.budget.reserved)
            assertEquals(0, fixture.server.count("release"))
        }

    @ParameterizedTest
    @EnumSource(Transport::class)
    fun `a caller cancelled while reserving leaves nothing reserved`(transport: Transport) =
        onServer(transport) { fixture ->
            val job = launch(Dispatchers.Default) {
                currentCoroutineContext().cancel()
                fixture.client.withCycles(tokens(100)) { throw AssertionError("must not run") }
            }
            job.join()
            // The request had left; what it came to is given back.
            fixture.server.waitFor("create_reservation", 1)
            fixture.server.waitFor("release", 1)
            assertTrue(job.isCancelled)
            assertEquals(1000, fixture.budget.remaining)
        }

    @Test
    fun `a call longer than its ttl is kept alive`() = onServer(Transport.HTTP) { fixture ->
        lateinit var context: CyclesContext
        fixture.client.withCycles(tokens(100).copy(ttlMs = 60_000)) {
            context = it
            // Due a minute less the time of two attempts after it was made.
            fixture.clock.advance(56_000)
            fixture.server.waitFor("extend", 1)
            fixture.clock.advance(50_000)
        }
        assertEquals(Settlement.Outcome.COMMITTED, context.settlement?.outcome)
        assertEquals(100, fixture.budget.spent)
    }

    @ParameterizedTest
    @EnumSource(Transport::class)
    fun `a dry run reserves nothing`(transport: Transport) = onServer(transport) { fixture ->
        assertEquals(Decision.ALLOW, fixture.client.dryRun(tokens(100)).decision)
        assertEquals(Decision.DENY, fixture.client.dryRun(tokens(1001)).decision)
        assertEquals(0, fixture.budget.reserved)
    }

    @Test
    fun `the context follows the coroutine and ends with the block`() = onServer(Transport.LOCAL) { fixture ->
        assertNull(CyclesContext.current())
        fixture.client.withCycles(tokens(10)) { outer ->
            assertSame(outer, CyclesContext.current())
            withContext(Dispatchers.Default) {
                yield()
                assertSame(outer, CyclesContext.current())
            }
            fixture.client.withCycles(tokens(10)) { inner -> assertSame(inner, CyclesContext.current()) }
            assertSame(outer, CyclesContext.current())
        }
        assertNull(CyclesContext.current())
    }

    @Test
    fun `no code of the caller runs on the core's threads`() = onServer(Transport.HTTP) { fixture ->
        fun assertOurThread() =
            assertTrue(Thread.currentThread().stackTrace.none { it.className.startsWith("dev.runcycles.ffi") })
        withContext(Dispatchers.Unconfined) {
            repeat(10) {
                fixture.client.withCycles(tokens(10)) { assertOurThread() }
                assertOurThread()
                fixture.client.getBalances(mapOf("tenant" to "acme"))
                assertOurThread()
            }
        }
    }

    @Test
    fun `concurrent calls never spend more than the budget`() = onServer(Transport.LOCAL) { fixture ->
        val outcomes = coroutineScope {
            List(50) {
                async(Dispatchers.Default) {
                    try {
                        fixture.client.withCycles(tokens(100)) {}
                        true
                    } catch (denial: BudgetExceededError) {
                        false
                    }
                }
            }.awaitAll()
        }
        assertEquals(10, outcomes.count { it })
        assertEquals(0, fixture.budget.remaining)
    }

    @Test
    fun `an embedded authority takes the same code`() = runBlocking {
        CyclesClient.embedded(SEED) { tenant = "acme" }.use { client ->
            client.withCycles(CyclesOptions(Amount.tokens(100))) {}
            val balances = client.getBalances(mapOf("tenant" to "acme"))
            val balance = balances.body!!.list<Map<String, Any?>>("balances")!!.single()
            assertEquals(Amount.tokens(100), Amount.of(balance["spent"]))
        }
    }
}

private operator fun Fixture.component1() = server

private operator fun Fixture.component2() = client
