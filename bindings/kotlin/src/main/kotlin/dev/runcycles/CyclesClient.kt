package dev.runcycles

import dev.runcycles.ffi.CyclesCore
import dev.runcycles.ffi.Field
import dev.runcycles.testing.ManualClock

/**
 * Talks to an authority, remote or in process; safe for any number of threads and coroutines.
 *
 * [withCycles] is the guarded call. The other calls are the protocol's operations one by one: they
 * take the wire's `snake_case` fields, add an `idempotency_key` where a body lacks one, and answer
 * a [CyclesResponse] whatever happened on the way. From Java, use [blocking] or [async].
 *
 * ```kotlin
 * val client = CyclesClient("http://127.0.0.1:7878", "cyc_live_…") { agent = "writer" }
 * val text = client.withCycles(CyclesOptions(Amount.usd("0.02"))) { complete(prompt) }
 * ```
 */
public class CyclesClient internal constructor(internal val core: CyclesCore) : AutoCloseable {

    /** The same client for threads instead of coroutines. */
    public val blocking: BlockingCyclesClient = BlockingCyclesClient(this)

    /** The same client with futures instead of coroutines. */
    public val async: AsyncCyclesClient = AsyncCyclesClient(this)

    /** Runs [block] against a budget: see the function [dev.runcycles.withCycles]. */
    @JvmSynthetic
    public suspend fun <T> withCycles(
        options: CyclesOptions,
        actual: ((T) -> Amount)? = null,
        block: suspend (CyclesContext) -> T,
    ): T = withCycles(this, options, actual, block)

    /**
     * Reserves budget for a stream and watches it; see [StreamReservation].
     *
     * @param cost what the usage so far costs, in the estimate's unit; without it tokens cost
     *   themselves where the unit is `TOKENS`
     * @throws BudgetExceededError if a budget does not have the estimate; nothing must flow then
     */
    @JvmSynthetic
    public suspend fun reserveStream(
        options: CyclesOptions,
        onLimit: OnLimit = OnLimit.FINISH,
        extendBy: Long? = null,
        cost: ((StreamUsage) -> Long)? = null,
    ): StreamReservation {
        val watched = mapOf("on_limit" to onLimit.name.lowercase(), "extend_by" to extendBy).withoutNulls()
        val stream = native {
            core.stream(options.json(dryRun = false), Json.write(watched), CyclesContext.current()?.parent)
        }
        stream.closedUnless { awaitNative { stream.reserve() } }
        return StreamReservation(stream, cost)
    }

    /**
     * Reserves budget for work that is no block; see [CyclesGuard].
     *
     * @throws BudgetExceededError if a budget does not have the estimate
     */
    @JvmSynthetic
    public suspend fun reserve(options: CyclesOptions): CyclesGuard {
        val guard = native { core.guard(options.json(dryRun = false), CyclesContext.current()?.parent) }
        guard.closedUnless { awaitNative { guard.reserve() } }
        return CyclesGuard(guard)
    }

    /**
     * Asks what a guarded call would be allowed, without reserving anything.
     *
     * A denial is a [DryRunResult] too.
     *
     * @throws CyclesError if the authority could not decide
     */
    @JvmSynthetic
    public suspend fun dryRun(options: CyclesOptions): DryRunResult =
        native { core.guard(options.json(dryRun = true), CyclesContext.current()?.parent) }.use { guard ->
            awaitNative { guard.reserve() }
            DryRunResult(Json.readObject(native { guard.context() }))
        }

    /** Reserves an estimate: `POST /v1/reservations`. */
    @JvmSynthetic
    public suspend fun createReservation(body: Map<String, Any?>): CyclesResponse =
        send("create_reservation", body = body)

    /** Settles a reservation with what was spent. */
    @JvmSynthetic
    public suspend fun commitReservation(reservationId: String, body: Map<String, Any?>): CyclesResponse =
        send("commit", reservationId, body = body)

    /** Gives a reservation back. */
    @JvmSynthetic
    public suspend fun releaseReservation(reservationId: String, body: Map<String, Any?>): CyclesResponse =
        send("release", reservationId, body = body)

    /** Lets a reservation live longer. */
    @JvmSynthetic
    public suspend fun extendReservation(reservationId: String, body: Map<String, Any?>): CyclesResponse =
        send("extend", reservationId, body = body)

    /** Asks whether an estimate would be allowed now; reserves nothing. */
    @JvmSynthetic
    public suspend fun decide(body: Map<String, Any?>): CyclesResponse = send("decide", body = body)

    /** Records a spend that no reservation was made for. */
    @JvmSynthetic
    public suspend fun createEvent(body: Map<String, Any?>): CyclesResponse = send("create_event", body = body)

    /** Budgets of the subject that [query] names. */
    @JvmSynthetic
    public suspend fun getBalances(query: Map<String, Any?>): CyclesResponse = send("get_balances", query = query)

    /** Reservations that match [query]. */
    @JvmSynthetic
    public suspend fun listReservations(query: Map<String, Any?> = emptyMap()): CyclesResponse =
        send("list_reservations", query = query)

    /** One reservation. */
    @JvmSynthetic
    public suspend fun getReservation(reservationId: String): CyclesResponse = send("get_reservation", reservationId)

    /**
     * Waits for the settlements that still go on in the background, at most [timeoutMs] milliseconds.
     *
     * @return how many are left
     */
    @JvmSynthetic
    public suspend fun flush(timeoutMs: Long): Long = awaitNative { core.flush(timeoutMs.toULong()).toLong() }

    /** What has happened in the background and nobody has taken yet. */
    public fun notifications(): List<Notification> =
        native { core.notifications().use { queue -> notifications(queue.take()) } }

    /**
     * Tells [listener] everything that happens in the background, on a daemon thread, until the
     * client ends. One listener per client.
     */
    public fun onNotification(listener: NotificationListener): Unit =
        listen(native { core.notifications() }, listener)

    /**
     * Makes further calls carry another key of the same tenant; what the former key could not book is tried again at
     * once.
     *
     * @throws CyclesConfigError for a key that no header can carry, and for an embedded client
     */
    public fun setApiKey(apiKey: String): Unit = native { core.setApiKey(apiKey) }

    /** How the settlement journal stands; null without one. */
    public fun journalStats(): JournalStats? =
        native { core.journalStats() }?.let { JournalStats(Json.readObject(it)) }

    /** Stops the client; further calls fail. Settlements in flight are not waited for: see [flush]. */
    override fun close(): Unit = native { core.shutdown() }

    private suspend fun send(
        operation: String,
        reservationId: String? = null,
        query: Map<String, Any?> = emptyMap(),
        body: Map<String, Any?>? = null,
    ): CyclesResponse {
        val fields = query.withoutNulls().map { (name, value) -> Field(name, value.toString()) }
        return CyclesResponse.of(awaitNative { core.send(operation, reservationId, fields, body?.let(Json::write)) })
    }

    /** Gives the native object up at once where nobody will get it. */
    private inline fun AutoCloseable.closedUnless(reserved: () -> Unit): Unit = try {
        reserved()
    } catch (error: Throwable) {
        close()
        throw error
    }

    public companion object {
        /** Says step by step, in Java, what a client is to be. */
        @JvmStatic
        public fun builder(): CyclesClientBuilder = CyclesClientBuilder()

        /**
         * A client for the authority at [baseUrl].
         *
         * @throws CyclesConfigError if the configuration cannot be used
         */
        @JvmSynthetic
        public operator fun invoke(
            baseUrl: String,
            apiKey: String,
            configure: CyclesConfig.() -> Unit = {},
        ): CyclesClient = create(CyclesConfig(baseUrl, apiKey).apply(configure))

        /**
         * A client for the authority that [config] names.
         *
         * @throws CyclesConfigError if the configuration cannot be used
         */
        @JvmStatic
        public fun create(config: CyclesConfig): CyclesClient = create(config, clock = null)

        /** [create] on a [clock] of your own, for tests. */
        @JvmStatic
        public fun create(config: CyclesConfig, clock: ManualClock?): CyclesClient =
            CyclesClient(native { Natives.chosen.client(config.json(), clock?.native) })

        /**
         * A client configured by `CYCLES_BASE_URL`, `CYCLES_API_KEY` and their optional
         * companions; times are milliseconds.
         *
         * @throws CyclesConfigError naming the variable that is missing or does not parse
         */
        @JvmStatic
        @JvmOverloads
        public fun fromEnv(prefix: String = "CYCLES_"): CyclesClient =
            CyclesClient(native { Natives.chosen.clientFromEnv(prefix, "ms") })

        /**
         * A client with an authority of its own in this process, holding [budgets]: scopes with
         * what they are allocated, such as `mapOf("tenant:acme" to Amount.tokens(1000))`. Each
         * tenant has a key; a call that names no tenant spends that of the first, by name. Nothing outlives
         * the client.
         *
         * @throws CyclesConfigError naming the scope that is none
         */
        @JvmStatic
        @JvmOverloads
        public fun embedded(
            budgets: Map<String, Amount>,
            config: CyclesConfig = CyclesConfig(),
            clock: ManualClock? = null,
        ): CyclesClient = embedded(seedOf(budgets), config, clock)

        /**
         * A client with an authority of its own in this process, holding [seed] (YAML or JSON,
         * as for `cycles serve --seed`). Nothing outlives the client.
         *
         * @throws CyclesConfigError naming the line if the seed does not parse
         */
        @JvmSynthetic
        public fun embedded(seed: String, configure: CyclesConfig.() -> Unit): CyclesClient =
            embedded(seed, CyclesConfig().apply(configure))

        /** [embedded] with a finished [config]; its key picks one of the seed's keys. */
        @JvmStatic
        @JvmOverloads
        public fun embedded(
            seed: String,
            config: CyclesConfig = CyclesConfig(),
            clock: ManualClock? = null,
        ): CyclesClient = CyclesClient(native { Natives.chosen.embedded(seed, config.json(), clock?.native) })
    }
}
