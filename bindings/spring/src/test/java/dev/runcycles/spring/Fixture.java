package dev.runcycles.spring;

import dev.runcycles.CyclesClient;
import dev.runcycles.CyclesUnit;
import dev.runcycles.testing.BudgetState;
import dev.runcycles.testing.ManualClock;
import dev.runcycles.testing.TestServer;
import java.util.List;
import java.util.Map;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.aop.AopAutoConfiguration;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.context.ConfigurableApplicationContext;

/** A server of its own with 1,000 tokens and ten dollars for acme, and applications that use it. */
final class Fixture implements AutoCloseable {
    static final String SEED = """
        tenants: [{tenant_id: acme}]
        keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
        budgets:
          - {scope: "tenant:acme", unit: TOKENS, allocated: 1000}
          - {scope: "tenant:acme", unit: USD_MICROCENTS, allocated: 1000000000}
        """;

    final ManualClock clock = new ManualClock();
    final TestServer server = new TestServer(SEED, clock);

    /** An application whose client is on the server's clock. */
    ApplicationContextRunner application(Class<?>... beans) {
        return bare().withBean(CyclesClient.class, server::client)
                .withPropertyValues("cycles.tenant=acme")
                .withUserConfiguration(beans);
    }

    /** An application without a client or settings of ours. */
    static ApplicationContextRunner bare() {
        return new ApplicationContextRunner()
                .withConfiguration(AutoConfigurations.of(
                        AopAutoConfiguration.class, CyclesAutoConfiguration.class, CyclesChatAutoConfiguration.class));
    }

    BudgetState tokens() {
        return server.budget("tenant:acme", CyclesUnit.TOKENS);
    }

    BudgetState money() {
        return server.budget("tenant:acme", CyclesUnit.USD_MICROCENTS);
    }

    /** The only reservation there is, as the authority shows it. */
    @SuppressWarnings("unchecked") // a JSON object
    Map<String, Object> reservation(ConfigurableApplicationContext application) {
        CyclesClient client = application.getBean(CyclesClient.class);
        List<Map<String, Object>> all = (List<Map<String, Object>>)
                client.getBlocking().listReservations(Map.of("tenant", "acme")).getBody().get("reservations");
        if (all.size() != 1) {
            throw new AssertionError("one reservation, not " + all);
        }
        String id = (String) all.get(0).get("reservation_id");
        return (Map<String, Object>) (Map<String, ?>) client.getBlocking().getReservation(id).getBody();
    }

    @Override
    public void close() {
        server.close();
    }
}
