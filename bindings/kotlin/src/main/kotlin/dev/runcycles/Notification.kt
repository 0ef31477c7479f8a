package dev.runcycles

import dev.runcycles.ffi.NotificationQueue
import kotlinx.coroutines.runBlocking
import kotlin.concurrent.thread

/**
 * Something that happened in the background; what does not belong to its [kind] is null.
 *
 * - `heartbeat_failure`: a lease could not be extended. [disposition] is `repeats`, `stopped` (it ends
 *   when it ends) or `lost` (it has ended before its work did).
 * - `settlement`: [outcome] is `pending`, `retained` (refused until somebody changes a key or a
 *   budget), `refused` (for good), or `committed` or `recovered_via_event` after one of the first two.
 * - `journal_degraded`, `journal_restored`: spends are not written down, or are again.
 * - `record_quarantined`: [file] can never be replayed.
 * - `spend_unknown`: work that was allowed unseen ended with its process; [file] holds what is known of it.
 * - `dropped`: [count] were dropped before this one, because nobody took them.
 */
public class Notification internal constructor(document: Map<String, Any?>) {
    public val kind: String = document.text("kind").orEmpty()
    public val reservationId: String? = document.text("reservation_id")
    public val disposition: String? = document.text("disposition")
    public val outcome: String? = document.text("outcome")
    public val reason: String? = document.text("reason")
    public val error: CyclesError? = document.fields("error")?.let { cyclesError(it) }
    public val file: String? = document.text("file")
    public val count: Long? = document.integer("count")

    override fun toString(): String = "Notification(kind=$kind, reservationId=$reservationId)"
}

/**
 * How a client's settlement journal stands.
 *
 * @property depth spends that are known and not booked for certain
 * @property oldestAgeMs age of the oldest of them
 * @property quarantined files that were set aside because they can never be replayed
 * @property lost work that was allowed unseen and ended with its process: its cost is not booked
 * @property degraded why spends are not written down at present
 */
public class JournalStats internal constructor(document: Map<String, Any?>) {
    public val depth: Long = document.integer("depth") ?: 0
    public val oldestAgeMs: Long? = document.integer("oldest_age_ms")
    public val quarantined: Long = document.integer("quarantined") ?: 0
    public val lost: Long = document.integer("lost") ?: 0
    public val degraded: String? = document.text("degraded")
}

/** Is told what happens in the background. */
public fun interface NotificationListener {
    /** Runs on a daemon thread of the SDK. What it throws goes to the thread's exception handler. */
    public fun on(notification: Notification)
}

internal fun notifications(batch: String): List<Notification> =
    (Json.read(batch) as List<*>).map { document ->
        @Suppress("UNCHECKED_CAST") // a JSON object's keys are text
        Notification(document as Map<String, Any?>)
    }

/** A daemon thread, so that it does not keep the process; it ends with the client. */
internal fun listen(queue: NotificationQueue, listener: NotificationListener) {
    thread(isDaemon = true, name = "runcycles-notifications") {
        while (true) {
            val batch = runBlocking { queue.next() } ?: break
            notifications(batch).forEach { notification ->
                runCatching { listener.on(notification) }.onFailure { failure ->
                    val thread = Thread.currentThread()
                    thread.uncaughtExceptionHandler.uncaughtException(thread, failure)
                }
            }
        }
        queue.close()
    }
}
