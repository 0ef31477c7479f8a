package dev.runcycles;

import static dev.runcycles.JavaUsageTest.SEED;
import static dev.runcycles.JavaUsageTest.options;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.runcycles.testing.BudgetState;
import dev.runcycles.testing.FaultKind;
import dev.runcycles.testing.ManualClock;
import dev.runcycles.testing.TestServer;
import java.io.IOException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The calls that answer futures, written as a Java program would. */
class JavaFuturesTest {
    private final TestServer server = new TestServer(SEED, new ManualClock());
    private final CyclesClient client = server.client();
    private final AsyncCyclesClient async = client.getAsync();

    @AfterEach
    void stop() {
        client.close();
        server.close();
    }

    private BudgetState budget() {
        return server.budget("tenant:acme", CyclesUnit.TOKENS);
    }

    @Test
    void settlesWhenTheStageEnds() {
        CompletableFuture<String> work = new CompletableFuture<>();
        CompletableFuture<CyclesContext> started = new CompletableFuture<>();
        CompletableFuture<String> guarded = async.withCycles(options(100), text -> Amount.tokens(text.length()), context -> {
            assertSame(context, CyclesContext.current());
            started.complete(context);
            return work;
        });
        CyclesContext context = started.join();
        assertEquals(100, budget().getReserved());
        assertFalse(guarded.isDone());

        work.complete("hello");
        assertEquals("hello", guarded.join());
        assertEquals(Settlement.Outcome.COMMITTED, context.getSettlement().getOutcome());
        assertEquals(5, budget().getSpent());
        assertEquals(0, budget().getReserved());
    }

    @Test
    void aStageThatFailsReleasesAndItsErrorComesOut() {
        IOException boom = new IOException("boom");
        CompletableFuture<String> guarded =
            async.withCycles(options(100), context -> CompletableFuture.failedFuture(boom));
        assertSame(boom, assertThrows(CompletionException.class, guarded::join).getCause());
        assertSame(boom, async.<String>withCycles(options(100), context -> { throw boom; })
            .handle((text, error) -> error).join());
        CompletableFuture<String> later = new CompletableFuture<>();
        CompletableFuture<String> dependent = later.thenApply(text -> text);
        CompletableFuture<String> waiting = async.withCycles(options(100), context -> {
            CompletableFuture.runAsync(() -> later.completeExceptionally(boom));
            return dependent;
        });
        assertSame(boom, waiting.handle((text, error) -> error).join());
        assertEquals(3, server.count("release"));
        assertEquals(1000, budget().getRemaining());
    }

    @Test
    void aDenialIsTypedAndTheBlockNeverRuns() {
        CompletableFuture<String> guarded = async.withCycles(options(1001), context -> {
            throw new AssertionError("must not run");
        });
        BudgetExceededError denied =
            assertInstanceOf(BudgetExceededError.class, guarded.handle((text, error) -> error).join());
        assertEquals("BUDGET_EXCEEDED", denied.getCode());
        String instead = async.withCycles(options(1001), context -> CompletableFuture.completedFuture("model"))
            .exceptionally(error -> error instanceof BudgetExceededError ? "no budget" : "trouble").join();
        assertEquals("no budget", instead);
    }

    @Test
    void aBlockThatAnswersNullIsToldSo() {
        Throwable error = async.withCycles(options(100), context -> null).handle((text, failure) -> failure).join();
        assertTrue(assertInstanceOf(NullPointerException.class, error).getMessage().contains("CompletionStage"));
        assertEquals(1000, budget().getRemaining());
    }

    @Test
    void cancellingTheFutureCancelsTheStageAndReleases() {
        CompletableFuture<String> work = new CompletableFuture<>();
        CompletableFuture<Void> started = new CompletableFuture<>();
        CompletableFuture<String> guarded = async.withCycles(options(100), context -> {
            started.complete(null);
            return work;
        });
        started.join();
        assertTrue(guarded.cancel(true));
        assertThrows(CancellationException.class, guarded::join);
        server.waitForBlocking("release", 1);
        assertTrue(work.isCancelled());
        assertEquals(1000, budget().getRemaining());
    }

    @Test
    void cancellingDuringTheCommitDoesNotUndoIt() {
        server.inject("commit", FaultKind.DELAY, 1, 0, null, null, null, 60_000L);
        CompletableFuture<String> guarded =
            async.withCycles(options(100), context -> CompletableFuture.completedFuture("done"));
        server.waitForFaultsBlocking("commit");
        guarded.cancel(true);
        server.clearFaults();
        server.waitForBlocking("commit", 1);
        assertEquals(100, budget().getSpent());
        assertEquals(0, server.count("release"));
    }

    @Test
    void aHoldThatComesAfterItsFutureWasCancelledIsGivenBack() {
        server.inject("create_reservation", FaultKind.DELAY, 1, 0, null, null, null, 60_000L);
        CompletableFuture<AsyncCyclesGuard> reserving = async.reserve(options(100));
        server.waitForFaultsBlocking("create_reservation");
        reserving.cancel(true);
        server.clearFaults();
        server.waitForBlocking("release", 1);
        assertEquals(1000, budget().getRemaining());
    }

    @Test
    void everyHoldIsGivenBackWhereverTheCancellationFalls() {
        for (int i = 0; i < 200; i++) {
            CompletableFuture<AsyncCyclesGuard> reserving = async.reserve(options(1));
            for (int spin = 0; spin < i * 20; spin++) Thread.onSpinWait();
            if (!reserving.cancel(true)) reserving.join().close();
        }
        // The last of them may still be on their way to the server.
        do {
            server.waitForBlocking("release", server.count("create_reservation"));
        } while (budget().getReserved() > 0);
    }

    @Test
    void blocksRunOnTheExecutorThatWasNamed() {
        ExecutorService executor = Executors.newSingleThreadExecutor(work -> new Thread(work, "mine"));
        try {
            String thread = async.on(executor)
                .withCycles(options(1), context -> CompletableFuture.completedFuture(Thread.currentThread().getName()))
                .join();
            assertTrue(thread.startsWith("mine"), thread);
        } finally {
            executor.shutdown();
        }
    }

    @Test
    void innerCallsAreNestedInTheirCallersBlock() {
        List<String> ids = async.withCycles(options(100), outer ->
            async.withCycles(options(10), inner ->
                CompletableFuture.completedFuture(List.of(outer.getReservationId(), inner.getParentReservationId()))))
            .join();
        assertEquals(ids.get(0), ids.get(1));

        List<String> later = async.withCycles(options(100), outer ->
            CompletableFuture.supplyAsync(() -> outer)
                .thenCompose(context -> {
                    try {
                        return context.call(() -> async.withCycles(options(10), inner -> CompletableFuture
                            .completedFuture(List.of(context.getReservationId(), inner.getParentReservationId()))));
                    } catch (Exception error) {
                        return CompletableFuture.failedFuture(error);
                    }
                })).join();
        assertEquals(later.get(0), later.get(1));
    }

    @Test
    void concurrentCallsNeverSpendMoreThanTheBudget() {
        List<CompletableFuture<Boolean>> calls = IntStream.range(0, 50)
            .mapToObj(i -> async.withCycles(options(100), context -> CompletableFuture.supplyAsync(() -> true))
                .exceptionally(error -> !(error instanceof BudgetExceededError)))
            .toList();
        assertEquals(10, calls.stream().filter(CompletableFuture::join).count());
        assertEquals(0, budget().getRemaining());
    }

    @Test
    void operationsAnswerFutures() {
        Map<String, Object> request = Map.of(
            "subject", Map.of("tenant", "acme"),
            "action", Map.of("kind", "llm", "name", "m"),
            "estimate", Map.of("unit", "TOKENS", "amount", 5));
        assertEquals("ALLOW", async.decide(request).thenApply(answer -> answer.getBody().get("decision")).join());
        String id = (String) async.createReservation(request).join().getBody().get("reservation_id");
        Map<String, Object> actual = Map.of("actual", Map.of("unit", "TOKENS", "amount", 3));
        CompletableFuture<CyclesResponse> committed = async.getReservation(id)
            .thenCompose(reservation -> async.commitReservation(id, actual));
        assertEquals(200, committed.join().getStatus());
        assertEquals(3, budget().getSpent());
        assertEquals(Decision.DENY, async.dryRun(options(1000)).join().getDecision());
        assertEquals(0L, async.flush(1000).join());
    }

    @Test
    void guardsAndStreamsSettleOnce() {
        AsyncCyclesGuard guard = async.reserve(options(100)).join();
        assertEquals(Settlement.Outcome.COMMITTED, guard.commit(Amount.tokens(7)).join().getOutcome());
        assertEquals(7, budget().getSpent());
        guard.close();
        Throwable closed = guard.release().handle((settlement, error) -> error).join();
        assertInstanceOf(CyclesValidationError.class, closed);

        AsyncStreamReservation stream = async.reserveStream(options(100), OnLimit.CUT).join();
        stream.addOutputTokens(40);
        assertTrue(stream.proceed().join());
        assertEquals(Settlement.Outcome.COMMITTED, stream.finish().join().getOutcome());
        stream.close();
        assertEquals(47, budget().getSpent());
    }

    @Test
    void javaSeesNoContinuations() {
        Stream<Class<?>> classes = Stream.of(CyclesClient.class, CyclesClient.Companion.getClass(),
            BlockingCyclesClient.class, AsyncCyclesClient.class, CyclesGuard.class, StreamReservation.class,
            TestServer.class, WithCyclesKt.class, CyclesContext.class, CyclesOptions.class, Amount.class);
        List<String> seen = classes
            .flatMap(type -> Stream.of(type.getMethods()))
            .filter(method -> Modifier.isPublic(method.getModifiers()) && !method.isSynthetic())
            .filter(method -> List.of(method.getParameterTypes()).stream()
                .anyMatch(parameter -> parameter.getName().startsWith("kotlin.coroutines")
                    || parameter.getName().startsWith("kotlinx.coroutines")))
            .map(Method::toString)
            .toList();
        assertEquals(List.of(), seen);
    }
}
