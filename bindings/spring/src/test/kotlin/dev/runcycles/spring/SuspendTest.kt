package dev.runcycles.spring

import dev.runcycles.BudgetExceededError
import dev.runcycles.CyclesClient
import dev.runcycles.CyclesConfig
import dev.runcycles.CyclesContext
import dev.runcycles.DryRunResult
import dev.runcycles.ReservationExpiredError
import dev.runcycles.testing.FaultKind
import dev.runcycles.testing.Transport
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flowOf
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.yield
import org.assertj.core.api.Assertions.assertThat
import org.junit.jupiter.api.AfterEach
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.assertThrows
import org.springframework.beans.factory.getBean
import org.springframework.boot.test.context.runner.ApplicationContextRunner
import java.io.IOException
import java.util.function.Supplier

/** Kotlin functions that suspend are settled when their coroutine ends. */
class SuspendTest {
    private val fixture = Fixture()

    @AfterEach
    fun stop() = fixture.close()

    open class Service {
        open val answer = CompletableDeferred<String>()
        open val started = CompletableDeferred<Unit>()

        @Cycles(value = "#limit", actual = "#result.length()", unit = "TOKENS", metadata = "{'asked': #args.length}")
        open suspend fun ask(limit: Long): String {
            started.complete(Unit)
            return answer.await()
        }

        @Cycles(value = "100", unit = "TOKENS", ttlMs = 5_000)
        open suspend fun forever(): String {
            started.complete(Unit)
            awaitCancellation()
        }

        @Cycles(value = "100", unit = "TOKENS")
        open suspend fun failing(): String = throw IOException("boom")

        @Cycles(value = "100", unit = "TOKENS")
        open suspend fun nothing() = yield()

        @Cycles(value = "100", unit = "TOKENS")
        open suspend fun reservationIds(): Set<String?> {
            val before = CyclesContextHolder.get().reservationId
            yield()
            return setOf(before, CyclesContext.current()?.reservationId)
        }

        @Cycles(value = "100", unit = "TOKENS", dryRun = true)
        open suspend fun dry(): Any = throw AssertionError("a dry run does not run")

        @Cycles(value = "100", actual = "#result.length()", unit = "TOKENS")
        open fun flow(): Flow<String> = flowOf("four", "seven77")

        @Cycles(value = "100", actual = "#result.length()", unit = "TOKENS")
        open suspend fun flowLater(): Flow<String> = flowOf("four").also { yield() }
    }

    /** Calls a guarded function inside another. */
    open class Outer(private val service: Service) {
        @Cycles(value = "200", unit = "TOKENS", actual = "7")
        open suspend fun both(): Set<String?> = service.reservationIds() + CyclesContextHolder.get().reservationId
    }

    private fun run(
        application: ApplicationContextRunner = fixture.application(Service::class.java),
        test: suspend (Service) -> Unit,
    ) {
        application.run { context -> runBlocking { test(context.getBean<Service>()) } }
    }

    @Test
    fun `a function is committed when its coroutine ends`() = run { service ->
        val asking = service.later { ask(100) }
        service.started.await()
        assertThat(fixture.tokens().reserved).isEqualTo(100)
        assertThat(fixture.server.count("commit")).isZero()
        service.answer.complete("hello")
        assertThat(asking.await()).isEqualTo("hello")
        assertThat(fixture.tokens().spent).isEqualTo(5)
        assertThat(fixture.tokens().reserved).isZero()
        service.nothing()
        assertThat(fixture.tokens().spent).isEqualTo(105)
    }

    @Test
    fun `expressions see the arguments that are written down`() {
        fixture.application(Service::class.java).run { application ->
            val service = application.getBean<Service>()
            service.answer.complete("hello")
            runBlocking { service.ask(100) }
            assertThat(fixture.reservation(application)["committed_metadata"]).hasToString("{asked=1}")
        }
    }

    @Test
    fun `what a budget does not have is refused before the function runs`() = run { service ->
        assertThrows<BudgetExceededError> { runBlocking { service.ask(1_001) } }
        assertThat(service.started.isCompleted).isFalse()
    }

    @Test
    fun `an error comes out as it is, and releases`() = run { service ->
        assertThat(assertThrows<IOException> { runBlocking { service.failing() } }).hasMessage("boom")
        assertThat(fixture.tokens().remaining).isEqualTo(1_000)
        assertThat(fixture.server.count("release")).isEqualTo(1)
    }

    @Test
    fun `cancelling the coroutine ends the function's, and releases`() = run { service ->
        val asking = service.later { forever() }
        service.started.await()
        asking.cancelAndJoin()
        fixture.server.waitFor("release", 1)
        assertThat(fixture.tokens().remaining).isEqualTo(1_000)
    }

    @Test
    fun `a lost lease ends it where the policy says so`() {
        val config = CyclesConfig(heartbeatPolicy = "cancel")
        val client = Supplier { fixture.server.client(null, Transport.HTTP, config) }
        run(Fixture.bare().withBean(CyclesClient::class.java, client).withBean(Service::class.java)) { service ->
            fixture.server.inject("extend", FaultKind.STATUS, status = 410, code = "RESERVATION_EXPIRED")
            val asking = service.later { runCatching { forever() } }
            service.started.await()
            fixture.clock.advance(2_000)
            assertThat(asking.await().exceptionOrNull()).isInstanceOf(ReservationExpiredError::class.java)
            assertThat(fixture.server.count("commit")).isZero()
        }
    }

    @Test
    fun `the reservation is there before and after the function suspends, and inside it calls are nested`() {
        val application = fixture.application(Service::class.java, Outer::class.java)
            .withPropertyValues("cycles.nested=inherit")
        run(application) { service ->
            assertThat(service.reservationIds()).hasSize(1).doesNotContainNull()
        }
        application.run { context ->
            assertThat(runBlocking { context.getBean<Outer>().both() }).doesNotContainNull()
            assertThat(fixture.server.count("create_reservation")).isEqualTo(2)
        }
    }

    @Test
    fun `a dry run answers, and does not run`() = run { service ->
        assertThat(service.dry()).isInstanceOf(DryRunResult::class.java)
    }

    @Test
    fun `a flow costs what its items do`() = run { service ->
        assertThat(service.flow().toList()).containsExactly("four", "seven77")
        assertThat(fixture.tokens().spent).isEqualTo(11)
        assertThat(service.flowLater().toList()).containsExactly("four")
        assertThat(fixture.tokens().spent).isEqualTo(15)
        assertThat(fixture.tokens().reserved).isZero()
    }
}

/** On another thread: the test goes on while the call is under way. One that fails before it starts fails whoever waits. */
private fun <T> SuspendTest.Service.later(call: suspend SuspendTest.Service.() -> T): Deferred<T> =
    CoroutineScope(Dispatchers.Default).async { call() }.also { called ->
        called.invokeOnCompletion { error -> started.completeExceptionally(error ?: AssertionError("it has ended")) }
    }
