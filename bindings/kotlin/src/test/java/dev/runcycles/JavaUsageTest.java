package dev.runcycles;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.runcycles.testing.FaultKind;
import dev.runcycles.testing.ManualClock;
import dev.runcycles.testing.TestServer;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.junit.jupiter.api.Test;

/** The blocking calls, written as a Java program would. */
class JavaUsageTest {
    static final String SEED = """
        tenants: [{tenant_id: acme}]
        keys: [{name: default, secret: cyc_test_acme, tenant_id: acme}]
        budgets: [{scope: "tenant:acme", unit: TOKENS, allocated: 1000}]
        """;

    static CyclesOptions options(long tokens) {
        return CyclesOptions.builder(Amount.tokens(tokens))
            .action("llm.completion", "test-model")
            .subject(new Subject("acme"))
            .build();
    }

    @Test
    void guardsACall() throws Exception {
        try (CyclesClient client = CyclesClient.builder().tenant("acme").embedded(SEED)) {
            BlockingCyclesClient blocking = client.getBlocking();
            String result = blocking.withCycles(options(100), text -> Amount.tokens(text.length()), context -> {
                assertSame(context, CyclesContext.current());
                return "hello";
            });
            assertEquals("hello", result);

            IOException boom = new IOException("boom");
            assertSame(boom, assertThrows(IOException.class, () ->
                blocking.withCycles(options(100), context -> { throw boom; })));
            assertEquals(200, blocking.getBalances(Map.of("tenant", "acme")).getStatus());
        }
    }

    @Test
    void budgetsAreAllThatAnAuthorityNeeds() throws Exception {
        CyclesOptions call = CyclesOptions.builder(Amount.tokens(100)).build();
        Map<String, Amount> budgets = Map.of("tenant:acme", Amount.tokens(150));
        try (CyclesClient client = CyclesClient.embedded(budgets);
                CyclesClient other = CyclesClient.builder().agent("bot").embedded(budgets);
                TestServer server = new TestServer(budgets);
                CyclesClient remote = server.client()) {
            for (CyclesClient each : List.of(client, other, remote)) {
                assertEquals("fits", each.getBlocking().withCycles(call, context -> "fits"));
                assertThrows(BudgetExceededError.class, () -> each.getBlocking().withCycles(call, context -> "never"));
            }
        }
        CyclesConfigError invalid = assertThrows(CyclesConfigError.class,
            () -> CyclesClient.embedded(Map.of("acme", Amount.tokens(1))));
        assertTrue(invalid.getMessage().contains("tenant:acme"), invalid.getMessage());
    }

    @Test
    void errorsAreCaughtByTheirTypes() throws Exception {
        try (CyclesClient client = CyclesClient.builder().embedded(SEED)) {
            String outcome;
            try {
                outcome = client.getBlocking().withCycles(options(1001), context -> "never");
            } catch (BudgetExceededError denied) {
                outcome = denied.getCode() + " " + denied.getStatus();
            } catch (CyclesTransportError unreachable) {
                outcome = "unreachable";
            }
            assertEquals("BUDGET_EXCEEDED 409", outcome);
        }
        CyclesConfigError invalid =
            assertThrows(CyclesConfigError.class, () -> CyclesClient.builder().apiKey("k").build());
        assertTrue(invalid.getMessage().contains("base_url"), invalid.getMessage());
    }

    @Test
    void whatIsNullIsRefusedAtOnce() {
        try (CyclesClient client = CyclesClient.builder().embedded(SEED)) {
            NullPointerException error =
                assertThrows(NullPointerException.class, () -> client.getBlocking().reserve(null));
            assertTrue(error.getMessage().contains("options"), error.getMessage());
            assertThrows(NullPointerException.class, () -> CyclesClient.builder().tenant(null));
        }
    }

    @Test
    void aClosedClientSaysSo() {
        CyclesClient client = CyclesClient.builder().embedded(SEED);
        client.close();
        CyclesConfigError error =
            assertThrows(CyclesConfigError.class, () -> client.getBlocking().reserve(options(1)));
        assertTrue(error.getMessage().contains("closed"), error.getMessage());
    }

    @Test
    void talksToAServer() {
        try (TestServer server = new TestServer(SEED); CyclesClient client = server.client()) {
            CyclesResponse answer = client.getBlocking().decide(Map.of(
                "subject", Map.of("tenant", "acme"),
                "action", Map.of("kind", "llm", "name", "m"),
                "estimate", Map.of("unit", "TOKENS", "amount", 5)));
            assertEquals("ALLOW", answer.getBody().get("decision"));
        }
    }

    @Test
    void holdsBudgetWithoutABlock() throws Exception {
        try (TestServer server = new TestServer(SEED); CyclesClient client = server.client()) {
            BlockingCyclesClient blocking = client.getBlocking();
            BlockingCyclesGuard guard = blocking.reserve(options(100));
            String inner = guard.getContext().call(() ->
                blocking.withCycles(options(10), context -> context.getParentReservationId()));
            assertEquals(guard.getContext().getReservationId(), inner);
            assertNull(CyclesContext.current());
            assertEquals(Settlement.Outcome.COMMITTED, guard.commit(Amount.tokens(7)).getOutcome());
            assertEquals(17, server.budget("tenant:acme", CyclesUnit.TOKENS).getSpent());
            guard.close();
            assertThrows(CyclesValidationError.class, guard::commit);

            assertEquals(Settlement.Outcome.RELEASED, blocking.reserve(options(100)).release("changed my mind").getOutcome());
            try (BlockingCyclesGuard forgotten = blocking.reserve(options(100))) {
                assertEquals(100, server.budget("tenant:acme", CyclesUnit.TOKENS).getReserved());
            }
            server.waitForBlocking("release", 2);
            assertEquals(983, server.budget("tenant:acme", CyclesUnit.TOKENS).getRemaining());
        }
    }

    @Test
    void countsAStream() {
        try (TestServer server = new TestServer(SEED); CyclesClient client = server.client()) {
            BlockingStreamReservation stream =
                client.getBlocking().reserveStream(options(100), OnLimit.CUT, null, usage -> usage.getTokensOutput() * 2);
            try (stream) {
                while (stream.proceed()) stream.addOutputTokens(30);
                assertTrue(stream.isCut());
                assertEquals(Settlement.Outcome.COMMITTED, stream.finish().getOutcome());
            }
            assertEquals(60, stream.getUsage().getTokensOutput());
            assertEquals(100, server.budget("tenant:acme", CyclesUnit.TOKENS).getSpent() - 20);
        }
    }

    @Test
    void anInterruptedThreadStaysInterruptedAndLeavesNothingReserved() throws Exception {
        try (TestServer server = new TestServer(SEED, new ManualClock()); CyclesClient client = server.client()) {
            server.inject("create_reservation", FaultKind.DELAY, 1, 0, null, null, null, 60_000L);
            Outcome<CyclesError> outcome = new Outcome<>();
            Thread thread = new Thread(() -> {
                try {
                    client.getBlocking().reserve(options(100));
                } catch (CyclesTransportError error) {
                    outcome.value = error;
                    outcome.wasInterrupted = Thread.currentThread().isInterrupted();
                }
            });
            thread.start();
            server.waitForFaultsBlocking("create_reservation");
            thread.interrupt();
            thread.join();
            assertInstanceOf(InterruptedException.class, outcome.value.getCause());
            assertTrue(outcome.wasInterrupted);

            server.clearFaults();
            server.waitForBlocking("release", 1);
            assertEquals(0, server.budget("tenant:acme", CyclesUnit.TOKENS).getReserved());
        }
    }

    @Test
    void aLostLeaseInterruptsTheBlock() throws Exception {
        ManualClock clock = new ManualClock();
        CyclesConfig config = new CyclesConfig();
        config.setHeartbeatPolicy("cancel");
        try (TestServer server = new TestServer(SEED, clock);
             CyclesClient client = server.client(null, dev.runcycles.testing.Transport.LOCAL, config)) {
            server.inject("extend", FaultKind.STATUS, 1, 0, 410, "RESERVATION_EXPIRED");
            CyclesOptions options = CyclesOptions.builder(Amount.tokens(100))
                .action("llm.completion", "test-model")
                .subject(new Subject("acme"))
                .ttl(Duration.ofMinutes(1))
                .build();
            Outcome<Object> outcome = new Outcome<>();
            assertThrows(ReservationExpiredError.class, () -> client.getBlocking().withCycles(options, context -> {
                clock.advance(56_000);
                try {
                    new CountDownLatch(1).await();
                } catch (InterruptedException interrupted) {
                    outcome.wasInterrupted = true;
                    throw interrupted;
                }
                return "never";
            }));
            assertTrue(outcome.wasInterrupted);
            assertFalse(Thread.currentThread().isInterrupted());
            assertEquals(0, server.budget("tenant:acme", CyclesUnit.TOKENS).getSpent());
        }
    }

    @Test
    void anInterruptionByOthersComesOutOfTheBlock() {
        try (TestServer server = new TestServer(SEED); CyclesClient client = server.client()) {
            assertThrows(InterruptedException.class, () -> client.getBlocking().withCycles(options(100), context -> {
                Thread.currentThread().interrupt();
                new CountDownLatch(1).await();
                return "never";
            }));
            server.waitForBlocking("release", 1);
        }
    }

    /** What another thread, or a block, saw. */
    private static final class Outcome<T> {
        private volatile T value;
        private volatile boolean wasInterrupted;
    }
}
