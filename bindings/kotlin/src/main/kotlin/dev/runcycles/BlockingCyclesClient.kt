package dev.runcycles

import kotlinx.coroutines.runBlocking

/** A guarded block for Java: may throw anything, its result is the caller's. */
public fun interface CyclesBlock<T> {
    /** Runs under the reservation that [context] describes. */
    @Throws(Exception::class)
    public fun run(context: CyclesContext): T
}

/** What a guarded block's result cost, for Java. */
public fun interface CyclesActual<T> {
    /** The cost of [result], in the estimate's unit. */
    public fun of(result: T): Amount
}

/** [CyclesClient] for threads: the same calls, each waiting for its answer. Get it from [CyclesClient.blocking]. */
public class BlockingCyclesClient internal constructor(private val client: CyclesClient) {
    /** See [CyclesClient.createReservation]. */
    public fun createReservation(body: Map<String, Any?>): CyclesResponse =
        runBlocking { client.createReservation(body) }

    /** See [CyclesClient.commitReservation]. */
    public fun commitReservation(reservationId: String, body: Map<String, Any?>): CyclesResponse =
        runBlocking { client.commitReservation(reservationId, body) }

    /** See [CyclesClient.releaseReservation]. */
    public fun releaseReservation(reservationId: String, body: Map<String, Any?>): CyclesResponse =
        runBlocking { client.releaseReservation(reservationId, body) }

    /** See [CyclesClient.extendReservation]. */
    public fun extendReservation(reservationId: String, body: Map<String, Any?>): CyclesResponse =
        runBlocking { client.extendReservation(reservationId, body) }

    /** See [CyclesClient.decide]. */
    public fun decide(body: Map<String, Any?>): CyclesResponse = runBlocking { client.decide(body) }

    /** See [CyclesClient.createEvent]. */
    public fun createEvent(body: Map<String, Any?>): CyclesResponse = runBlocking { client.createEvent(body) }

    /** See [CyclesClient.getBalances]. */
    public fun getBalances(query: Map<String, Any?>): CyclesResponse = runBlocking { client.getBalances(query) }

    /** See [CyclesClient.listReservations]. */
    @JvmOverloads
    public fun listReservations(query: Map<String, Any?> = emptyMap()): CyclesResponse =
        runBlocking { client.listReservations(query) }

    /** See [CyclesClient.getReservation]. */
    public fun getReservation(reservationId: String): CyclesResponse =
        runBlocking { client.getReservation(reservationId) }

    /** See [CyclesClient.flush]. */
    public fun flush(timeoutMs: Long): Long = runBlocking { client.flush(timeoutMs) }

    /** See [CyclesClient.dryRun]. */
    public fun dryRun(options: CyclesOptions): DryRunResult = runBlocking { client.dryRun(options) }

    /**
     * Runs [block] against a budget and commits the estimate; see [dev.runcycles.withCycles].
     *
     * @throws BudgetExceededError if a budget does not have the estimate; the block did not run
     */
    @Throws(Exception::class)
    public fun <T> withCycles(options: CyclesOptions, block: CyclesBlock<T>): T =
        runBlocking { client.withCycles(options) { context -> block.run(context) } }

    /** [withCycles] that commits what [actual] says the result cost. */
    @Throws(Exception::class)
    public fun <T> withCycles(options: CyclesOptions, actual: CyclesActual<T>, block: CyclesBlock<T>): T =
        runBlocking { client.withCycles(options, actual::of) { context -> block.run(context) } }
}
