package dev.runcycles

import dev.runcycles.testing.TestServer
import dev.runcycles.testing.Transport
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows

class CyclesErrorTest {
    private val classes = mapOf(
        "Protocol" to CyclesProtocolError::class.java,
        "BudgetExceeded" to BudgetExceededError::class.java,
        "OverdraftLimitExceeded" to OverdraftLimitExceededError::class.java,
        "DebtOutstanding" to DebtOutstandingError::class.java,
        "TenantClosed" to TenantClosedError::class.java,
        "ReservationExpired" to ReservationExpiredError::class.java,
        "ReservationFinalized" to ReservationFinalizedError::class.java,
        "Transport" to CyclesTransportError::class.java,
        "Validation" to CyclesValidationError::class.java,
        "Config" to CyclesConfigError::class.java,
        "Internal" to CyclesInternalError::class.java,
    )

    @Test
    fun `every kind of the core has its class and keeps its fields`() {
        val samples = Natives.chosen.errorSamples().map(Json::readObject)
        assertEquals(samples.map { it["kind"] }.toSet(), classes.keys)
        for (sample in samples) {
            val error = cyclesError(sample)
            assertEquals(classes[sample["kind"]], error.javaClass, "$sample")
            assertEquals(sample["message"], error.message)
            assertEquals(sample["code"], error.code)
            assertEquals(sample["status"], error.status?.toLong())
            assertEquals(sample["reason_code"], error.reasonCode)
            assertEquals(sample["request_id"], error.requestId)
            assertEquals(sample["trace_id"], error.traceId)
            assertEquals(sample["retry_after_ms"], error.retryAfterMs)
            assertEquals(sample["details"], error.details)
        }
        val budget = samples.single { it["kind"] == "BudgetExceeded" }
        assertEquals("BUDGET_EXCEEDED", cyclesError(budget).code)
        assertEquals("req-1", cyclesError(budget).requestId)
    }

    @Test
    fun `a native panic is an error and the process goes on`() {
        val error = assertThrows<CyclesInternalError> { native { Natives.chosen.panicInNative("boom") } }
        assertTrue(error.message!!.contains("boom"))
        val task = assertThrows<CyclesInternalError> { runBlocking { native { Natives.chosen.panicInNativeTask("boom") } } }
        assertTrue(task.message!!.contains("boom"))
        assertEquals(2_000_000, Amount.usd("0.02").amount)
    }

    @Test
    fun `dollars are read exactly or not at all`() {
        assertEquals(Amount.usdMicrocents(1), Amount.usd("0.00000001"))
        assertEquals(Amount.usdMicrocents(Long.MAX_VALUE), Amount.usd("92233720368.54775807"))
        for (text in listOf("", "1e3", "-1", "0.123456789", "92233720368.54775808")) {
            assertThrows<CyclesValidationError>(text) { Amount.usd(text) }
        }
    }

    @Test
    fun `what cannot be used is a configuration error`() {
        assertThrows<CyclesConfigError> { CyclesClient("not a url", "cyc_test_acme") }
        assertThrows<CyclesConfigError> { CyclesClient.create(CyclesConfig()) }
        assertThrows<CyclesConfigError> { CyclesClient.fromEnv("NO_SUCH_PREFIX_") }
        val error = assertThrows<CyclesConfigError> { TestServer("tenants:\n  - tenant_id: [") }
        assertTrue(error.message!!.contains("line"), error.message)
        assertThrows<CyclesConfigError> { CyclesClient.embedded("budgets: 3") {} }
    }

    @Test
    fun `the key of a running client can be replaced`() = onServer(Transport.HTTP) { fixture ->
        fixture.client.setApiKey("cyc_test_nobody")
        assertEquals(401, assertThrows<CyclesError> { fixture.client.withCycles(tokens(1)) {} }.status)
        fixture.client.setApiKey(fixture.server.apiKey())
        for (wrong in listOf("", "two\nlines")) {
            assertThrows<CyclesConfigError>(wrong) { fixture.client.setApiKey(wrong) }
        }
        assertEquals("done", fixture.client.withCycles(tokens(1)) { "done" })
    }

    @Test
    fun `work runs unseen where that is allowed, and no further`() {
        val config = CyclesConfig(
            baseUrl = "http://127.0.0.1:1",
            apiKey = "k",
            tenant = "acme",
            journalEnabled = false,
            onUnreachable = "allow_up_to:50:TOKENS",
        )
        CyclesClient.create(config).use { client ->
            val options = CyclesOptions(Amount.tokens(40))
            var seen: CyclesContext? = null
            runBlocking { client.withCycles(options) { seen = it } }
            assertTrue(seen!!.isUnseen)
            assertEquals(Settlement.Outcome.QUEUED, seen!!.settlement?.outcome)
            assertThrows<CyclesTransportError> { runBlocking { client.withCycles(options) {} } }
        }
    }

    @Test
    fun `bad input is a validation error and changes nothing`() = onServer(Transport.HTTP) { fixture ->
        suspend fun refuse(options: CyclesOptions) {
            assertThrows<CyclesValidationError> { fixture.client.withCycles(options) { throw AssertionError() } }
        }
        refuse(tokens(-1))
        refuse(tokens(1).copy(ttlMs = -1))
        refuse(tokens(1).copy(subject = Subject(tenant = "not/allowed")))
        refuse(tokens(1).copy(idempotencyKey = ""))
        assertEquals(0, fixture.budget.reserved)
    }

    @Test
    fun `a low-level call answers whatever happens`() = onServer(Transport.HTTP) { fixture ->
        val refused = fixture.client.createReservation(mapOf("estimate" to "lots"))
        assertEquals(400, refused.status)
        assertTrue(refused.isClientError)
        assertEquals("INVALID_REQUEST", refused.body?.get("error"))
        assertEquals(refused.body?.get("request_id"), refused.requestId)

        fixture.server.close()
        val lost = fixture.client.getReservation("res-1")
        assertTrue(lost.isTransportError)
        assertTrue(lost.errorMessage!!.isNotEmpty())
    }

    @Test
    fun `nobody listening is a transport error`() = runBlocking {
        val url = TestServer(SEED).use { it.baseUrl }
        CyclesClient(url, "cyc_test_acme") { retryEnabled = false }.use { client ->
            val error = assertThrows<CyclesError> { client.withCycles(tokens(1)) { throw AssertionError() } }
            assertInstanceOf(CyclesTransportError::class.java, error)
            Unit
        }
    }

    @Test
    fun `closing twice is harmless and a closed client says so`() = onServer(Transport.HTTP) { fixture ->
        val client = fixture.server.client()
        client.close()
        client.close()
        assertThrows<CyclesError> { client.withCycles(tokens(1)) {} }
    }
}
