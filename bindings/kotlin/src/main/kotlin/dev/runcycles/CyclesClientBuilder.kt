package dev.runcycles

import dev.runcycles.testing.ManualClock
import java.time.Duration

/**
 * Makes a [CyclesClient] in Java. Get it from [CyclesClient.builder].
 *
 * What is not said takes the SDK's default. Times count whole milliseconds.
 *
 * ```java
 * CyclesClient client = CyclesClient.builder()
 *     .baseUrl("http://127.0.0.1:7878")
 *     .apiKey("cyc_live_…")
 *     .tenant("acme")
 *     .build();
 * ```
 */
public class CyclesClientBuilder internal constructor() {
    private val config = CyclesConfig()
    private var clock: ManualClock? = null

    /** Where the authority listens; [embedded] needs none. */
    public fun baseUrl(url: String): CyclesClientBuilder = with { baseUrl = url }

    /** The tenant's key; [embedded] takes the seed's first without it. */
    public fun apiKey(key: String): CyclesClientBuilder = with { apiKey = key }

    /** Who spends, where a call does not say. */
    public fun tenant(tenant: String): CyclesClientBuilder = with { this.tenant = tenant }

    /** See [tenant]. */
    public fun workspace(workspace: String): CyclesClientBuilder = with { this.workspace = workspace }

    /** See [tenant]. */
    public fun app(app: String): CyclesClientBuilder = with { this.app = app }

    /** See [tenant]. */
    public fun workflow(workflow: String): CyclesClientBuilder = with { this.workflow = workflow }

    /** See [tenant]. */
    public fun agent(agent: String): CyclesClientBuilder = with { this.agent = agent }

    /** See [tenant]. */
    public fun toolset(toolset: String): CyclesClientBuilder = with { this.toolset = toolset }

    /** Longest wait for a connection. */
    public fun connectTimeout(timeout: Duration): CyclesClientBuilder = with { connectTimeoutMs = timeout.toMillis() }

    /** Longest silence of a connection. */
    public fun readTimeout(timeout: Duration): CyclesClientBuilder = with { readTimeoutMs = timeout.toMillis() }

    /** Longest time of one call in all; an attempt's own times limit it unless set. */
    public fun callTimeout(timeout: Duration): CyclesClientBuilder = with { callTimeoutMs = timeout.toMillis() }

    /** Longest that one extension of a lease may take; follows from the lease unless set. */
    public fun extendTimeout(timeout: Duration): CyclesClientBuilder = with { extendTimeoutMs = timeout.toMillis() }

    /** PEM certificates to trust besides the platform's. */
    public fun caFile(file: String): CyclesClientBuilder = with { caFile = file }

    /** Whether an unclear settlement is tried again; it is unless set. */
    public fun retryEnabled(enabled: Boolean): CyclesClientBuilder = with { retryEnabled = enabled }

    /** How often an unclear settlement is tried in all. */
    public fun retryMaxAttempts(attempts: Int): CyclesClientBuilder = with { retryMaxAttempts = attempts }

    /** The first pause between tries, what each further one is longer by, and the longest. */
    public fun retryDelay(initial: Duration, multiplier: Double, max: Duration): CyclesClientBuilder = with {
        retryInitialDelayMs = initial.toMillis()
        retryMultiplier = multiplier
        retryMaxDelayMs = max.toMillis()
    }

    /** Whether spend that is not booked for certain is kept on disk; it is unless set. */
    public fun journalEnabled(enabled: Boolean): CyclesClientBuilder = with { journalEnabled = enabled }

    /** Where it is kept; `.runcycles/commit-journal` in the home directory unless set. */
    public fun journalDir(directory: String): CyclesClientBuilder = with { journalDir = directory }

    /** What it survives there: `power` failures unless set, or the end of the `process`. */
    public fun journalSync(sync: String): CyclesClientBuilder = with { journalSync = sync }

    /** Who pays for a guarded block inside another, unless its options say. */
    public fun nested(nested: Nested): CyclesClientBuilder = with { this.nested = nested }

    /** Whether a guarded block waits for its commit's first attempt (`inline`, unless set), or only for the journal. */
    public fun settlement(settlement: String): CyclesClientBuilder = with { this.settlement = settlement }

    /** `warn` (unless set), `fail_on_finalize` or `cancel`: what a lost lease means for the work. */
    public fun heartbeatPolicy(policy: String): CyclesClientBuilder = with { heartbeatPolicy = policy }

    /** `deny` (unless set), `allow` or `allow_up_to:5000:TOKENS`: whether blocks run while nobody can be asked. */
    public fun onUnreachable(policy: String): CyclesClientBuilder = with { onUnreachable = policy }

    /** After how many [failures] in a row calls fail at once, for at most [cooldown]; 0 switches it off. */
    public fun circuitBreaker(failures: Int, cooldown: Duration): CyclesClientBuilder = with {
        circuitBreakerFailures = failures
        circuitBreakerCooldownMs = cooldown.toMillis()
    }

    /** A clock of your own, for tests. */
    public fun clock(clock: ManualClock): CyclesClientBuilder = apply { this.clock = clock }

    /**
     * A client for the authority at [baseUrl].
     *
     * @throws CyclesConfigError if the configuration cannot be used
     */
    public fun build(): CyclesClient = CyclesClient.create(config, clock)

    /**
     * A client with an authority of its own in this process, holding [budgets]; see [CyclesClient.embedded].
     *
     * @throws CyclesConfigError naming the scope that is none
     */
    public fun embedded(budgets: Map<String, Amount>): CyclesClient = CyclesClient.embedded(budgets, config, clock)

    /**
     * A client with an authority of its own in this process, holding [seed]; see [CyclesClient.embedded].
     *
     * @throws CyclesConfigError naming the line if the seed does not parse
     */
    public fun embedded(seed: String): CyclesClient = CyclesClient.embedded(seed, config, clock)

    private inline fun with(change: CyclesConfig.() -> Unit): CyclesClientBuilder = apply { config.change() }
}
