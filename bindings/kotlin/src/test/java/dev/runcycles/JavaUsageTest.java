package dev.runcycles;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.runcycles.testing.TestServer;
import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The blocking calls, written as a Java program would. */
class JavaUsageTest {
    private static final String SEED = """
        tenants: [{tenant_id: acme}]
        keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
        budgets: [{scope: "tenant:acme", unit: TOKENS, allocated: 1000}]
        """;

    private static CyclesOptions options(long tokens) {
        CyclesOptions options = new CyclesOptions(Amount.tokens(tokens));
        options.setAction(new Action("llm.completion", "test-model"));
        return options;
    }

    private static CyclesConfig config() {
        CyclesConfig config = new CyclesConfig();
        config.setTenant("acme");
        return config;
    }

    @Test
    void guardsACall() throws Exception {
        try (CyclesClient client = CyclesClient.embedded(SEED, config())) {
            BlockingCyclesClient blocking = client.getBlocking();
            String result = blocking.withCycles(options(100), text -> Amount.tokens(text.length()), context -> {
                assertSame(context, CyclesContext.current());
                return "hello";
            });
            assertEquals("hello", result);

            IOException boom = new IOException("boom");
            assertSame(boom, assertThrows(IOException.class, () ->
                client.getBlocking().withCycles(options(100), context -> { throw boom; })));
            assertThrows(BudgetExceededError.class, () ->
                client.getBlocking().withCycles(options(1000), context -> "never"));

            assertEquals(200, client.getBlocking().getBalances(Map.of("tenant", "acme")).getStatus());
        }
    }

    @Test
    void talksToAServer() {
        try (TestServer server = new TestServer(SEED); CyclesClient client = server.client()) {
            CyclesResponse answer = client.getBlocking().decide(Map.of(
                "subject", Map.of("tenant", "acme"),
                "action", Map.of("kind", "llm", "name", "m"),
                "estimate", Map.of("unit", "TOKENS", "amount", 5L)));
            assertEquals("ALLOW", answer.getBody().get("decision"));
        }
    }
}
