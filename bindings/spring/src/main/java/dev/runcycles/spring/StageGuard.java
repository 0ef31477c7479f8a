package dev.runcycles.spring;

import dev.runcycles.AsyncCyclesBlock;
import dev.runcycles.AsyncCyclesClient;
import dev.runcycles.CyclesActual;
import dev.runcycles.CyclesContext;
import dev.runcycles.CyclesOptions;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;

/** Guards methods whose {@code CompletionStage} completes later. */
final class StageGuard {
    private StageGuard() {}

    /**
     * Waits for the reservation, runs the method on the calling thread, as its callers expect, and settles when its
     * stage completes. The method's future and its callers' are cancelled together.
     */
    static CompletableFuture<?> guard(AsyncCyclesClient client, GuardedCall call) {
        CyclesOptions options = call.options();
        if (call.method().isDryRun()) {
            return client.dryRun(options);
        }
        CompletableFuture<CyclesContext> reserved = new CompletableFuture<>();
        CompletableFuture<Object> work = new CompletableFuture<>();
        // Not the client's own few threads: a stage that follows a guarded one may be guarded itself, and wait there.
        AsyncCyclesClient onFutures = client.on(reserved.defaultExecutor());
        AsyncCyclesBlock<Object> block = context -> {
            reserved.complete(context);
            return work;
        };
        CompletableFuture<Object> answer = call.method().saysActual()
                ? onFutures.withCycles(options, (CyclesActual<Object>) call::actual, block)
                : onFutures.withCycles(options, block);
        answer.whenComplete((result, error) -> reserved.complete(null));
        CyclesContext context = reserved.join();
        if (context != null) {
            start(call, context, work);
        }
        return answer;
    }

    private static void start(GuardedCall call, CyclesContext context, CompletableFuture<Object> work) {
        try {
            CompletionStage<?> stage = context.call(() -> (CompletionStage<?>) call.proceed());
            if (stage == null) {
                throw new NullPointerException("the guarded method answered null; it must answer a CompletionStage");
            }
            stage.whenComplete((result, error) -> {
                if (error == null) {
                    call.addMetadata(context, result);
                    work.complete(result);
                } else {
                    work.completeExceptionally(error instanceof CompletionException ? error.getCause() : error);
                }
            });
            work.whenComplete((result, error) -> {
                if (work.isCancelled() && stage instanceof CompletableFuture<?> future) {
                    future.cancel(true);
                }
            });
        } catch (Throwable error) {
            work.completeExceptionally(error);
        }
    }
}
