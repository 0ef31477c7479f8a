package dev.runcycles.spring;

import dev.runcycles.CyclesConfig;
import dev.runcycles.Nested;
import java.time.Duration;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.core.io.Resource;
import org.springframework.util.StringUtils;

/**
 * How the application reaches its authority, and who spends unless a call says. What is left out takes the SDK's
 * default.
 *
 * @param baseUrl where the authority listens
 * @param apiKey the tenant's key
 * @param tenant who spends, where a call does not say
 * @param workspace see tenant
 * @param app see tenant
 * @param workflow see tenant
 * @param agent see tenant
 * @param toolset see tenant
 * @param http how long the network may take
 * @param retry how unclear settlements are tried again
 * @param journal where spend is kept that is not booked for certain
 * @param circuitBreaker when calls fail at once instead of waiting for an authority that does not answer
 * @param embedded an authority in this process instead of a server
 * @param nested who pays for an @Cycles method inside another
 * @param selfInvocation what is done about classes that call their own @Cycles methods past the guard
 * @param settlement inline (wait for the commit's first attempt) or background (only for the journal)
 * @param onUnreachable deny, allow or allow_up_to:5000:TOKENS: whether guarded calls run while the authority cannot be
 *     asked
 * @param heartbeatPolicy warn, fail_on_finalize or cancel: what a lost lease means for the work
 * @param extendTimeout longest that one extension of a lease may take
 * @param caFile PEM certificates to trust besides the platform's
 */
@ConfigurationProperties("cycles")
public record CyclesProperties(
        String baseUrl,
        String apiKey,
        String tenant,
        String workspace,
        String app,
        String workflow,
        String agent,
        String toolset,
        @DefaultValue Http http,
        @DefaultValue Retry retry,
        @DefaultValue Journal journal,
        @DefaultValue CircuitBreaker circuitBreaker,
        @DefaultValue Embedded embedded,
        @DefaultValue("forbid") Nested nested,
        @DefaultValue("warn") SelfInvocation selfInvocation,
        String settlement,
        String onUnreachable,
        String heartbeatPolicy,
        Duration extendTimeout,
        String caFile) {

    /**
     * How long the network may take.
     *
     * @param connectTimeout longest wait for a connection
     * @param readTimeout longest silence of a connection
     * @param callTimeout longest time of one call in all
     */
    public record Http(Duration connectTimeout, Duration readTimeout, Duration callTimeout) {}

    /**
     * How unclear settlements are tried again.
     *
     * @param enabled whether they are
     * @param maxAttempts how often in all
     * @param initialDelay the first pause
     * @param multiplier what each further pause is longer by
     * @param maxDelay the longest pause
     * @param flushTimeout longest wait for them when the application ends; what is left is in the journal
     */
    public record Retry(
            Boolean enabled,
            Integer maxAttempts,
            Duration initialDelay,
            Double multiplier,
            Duration maxDelay,
            @DefaultValue("10s") Duration flushTimeout) {}

    /**
     * Where spend is kept that is not booked for certain.
     *
     * @param enabled whether it is
     * @param dir the directory; .runcycles/commit-journal in the home directory unless set
     * @param sync what it survives there: power failures, or the end of the process
     */
    public record Journal(Boolean enabled, String dir, String sync) {}

    /**
     * When calls fail at once.
     *
     * @param failures after how many failures in a row; 0 switches it off
     * @param cooldown longest pause until a call is let through again
     */
    public record CircuitBreaker(Integer failures, Duration cooldown) {}

    /**
     * An authority in this process, for tests and first steps: nothing outlives it.
     *
     * @param seed its tenants, keys and budgets (YAML or JSON, as for "cycles serve --seed"); base-url and api-key are
     *     not needed then
     */
    public record Embedded(Resource seed) {}

    /** What is done about classes that call their own guarded methods past the guard. */
    public enum SelfInvocation {
        /** The application does not start. */
        FAIL,

        /** The log names them when the application starts. */
        WARN,

        /** Nothing. */
        IGNORE
    }

    /** The SDK's own configuration. */
    public CyclesConfig toConfig() {
        CyclesConfig config = new CyclesConfig(text(baseUrl), text(apiKey));
        config.setTenant(text(tenant));
        config.setWorkspace(text(workspace));
        config.setApp(text(app));
        config.setWorkflow(text(workflow));
        config.setAgent(text(agent));
        config.setToolset(text(toolset));
        config.setConnectTimeoutMs(milliseconds(http.connectTimeout));
        config.setReadTimeoutMs(milliseconds(http.readTimeout));
        config.setCallTimeoutMs(milliseconds(http.callTimeout));
        config.setRetryEnabled(retry.enabled);
        config.setRetryMaxAttempts(retry.maxAttempts);
        config.setRetryInitialDelayMs(milliseconds(retry.initialDelay));
        config.setRetryMultiplier(retry.multiplier);
        config.setRetryMaxDelayMs(milliseconds(retry.maxDelay));
        config.setJournalEnabled(journal.enabled);
        config.setJournalDir(text(journal.dir));
        config.setJournalSync(text(journal.sync));
        config.setCircuitBreakerFailures(circuitBreaker.failures);
        config.setCircuitBreakerCooldownMs(milliseconds(circuitBreaker.cooldown));
        config.setSettlement(text(settlement));
        config.setOnUnreachable(text(onUnreachable));
        config.setHeartbeatPolicy(text(heartbeatPolicy));
        config.setExtendTimeoutMs(milliseconds(extendTimeout));
        config.setCaFile(text(caFile));
        return config;
    }

    /** A property that is set to nothing is not set. */
    static String text(String value) {
        return StringUtils.hasText(value) ? value : null;
    }

    private static Long milliseconds(Duration duration) {
        return duration == null ? null : duration.toMillis();
    }

    /** Without the key, which stays out of logs. */
    @Override
    public String toString() {
        return "CyclesProperties[baseUrl=" + baseUrl + ", tenant=" + tenant + "]";
    }
}
