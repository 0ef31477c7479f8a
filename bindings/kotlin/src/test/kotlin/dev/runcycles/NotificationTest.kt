package dev.runcycles

import dev.runcycles.testing.FaultKind
import dev.runcycles.testing.Transport
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Path
import java.util.concurrent.LinkedBlockingQueue
import java.util.concurrent.TimeUnit

class NotificationTest {
    private val told = LinkedBlockingQueue<Notification>()

    private fun next(): Notification = checkNotNull(told.poll(10, TimeUnit.SECONDS)) { "nothing was told" }

    @Test
    fun `a lost lease is told while the work goes on`() = onServer(Transport.HTTP) { fixture ->
        val threads = LinkedBlockingQueue<Thread>()
        fixture.client.onNotification { notification ->
            threads.add(Thread.currentThread())
            told.add(notification)
        }
        fixture.server.inject("extend", FaultKind.STATUS, status = 410, code = "RESERVATION_EXPIRED")
        val options = tokens(100).apply { ttlMs = 5_000 }
        val (stopped, lost) = fixture.client.withCycles(options) {
            fixture.clock.advance(2_000)
            next() to next()
        }
        assertEquals("heartbeat_failure", stopped.kind)
        assertEquals("stopped", stopped.disposition)
        assertInstanceOf(ReservationExpiredError::class.java, stopped.error)
        assertEquals("lost", lost.disposition)
        assertNull(lost.error)
        assertEquals(stopped.reservationId, lost.reservationId)
        assertTrue(threads.take().isDaemon)
    }

    @Test
    fun `late settlements are told and a failing listener hears the next`() = onServer(Transport.HTTP) { fixture ->
        val failures = LinkedBlockingQueue<Throwable>()
        fixture.client.onNotification { notification ->
            Thread.currentThread().setUncaughtExceptionHandler { _, failure -> failures.add(failure) }
            told.add(notification)
            error("a defect of the listener")
        }
        fixture.server.inject("commit", FaultKind.STATUS, status = 503)
        fixture.client.withCycles(tokens(100)) {}
        val pending = next()
        assertEquals("settlement" to "pending", pending.kind to pending.outcome)
        fixture.clock.advance(500)
        assertEquals("committed", next().outcome)
        assertEquals("a defect of the listener", failures.poll(10, TimeUnit.SECONDS)?.message)
    }

    @Test
    fun `without a listener they can be taken`() = onServer(Transport.HTTP) { fixture ->
        assertEquals(0, fixture.client.notifications().size)
        fixture.server.inject("commit", FaultKind.STATUS, status = 400)
        fixture.client.withCycles(tokens(100)) {}
        assertEquals(listOf("refused"), fixture.client.notifications().map { it.outcome })
        assertEquals(0, fixture.client.notifications().size)
    }

    @Test
    fun `the journal can be looked at`(@TempDir journal: Path) = onServer(Transport.HTTP) { fixture ->
        val config = CyclesConfig(fixture.server.baseUrl, fixture.server.apiKey(), journalDir = journal.toString())
        CyclesClient.create(config).use { client ->
            assertEquals(0, client.journalStats()?.depth)
            assertNull(client.journalStats()?.oldestAgeMs)
            fixture.server.inject("commit", FaultKind.STATUS, status = 401)
            client.withCycles(tokens(100)) {}
            assertEquals(1, client.journalStats()?.depth)
            client.flush(10_000)
        }
        CyclesClient.create(CyclesConfig("http://h", "k", journalEnabled = false)).use { client ->
            assertNull(client.journalStats())
        }
    }
}
