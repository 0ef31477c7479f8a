package dev.runcycles.spring;

import dev.runcycles.AsyncCyclesBlock;
import dev.runcycles.AsyncCyclesClient;
import dev.runcycles.CyclesActual;
import dev.runcycles.CyclesContext;
import dev.runcycles.CyclesOptions;
import dev.runcycles.OnLimit;
import java.lang.reflect.Method;
import org.reactivestreams.Publisher;
import org.springframework.core.KotlinDetector;
import org.springframework.core.ReactiveAdapter;
import org.springframework.core.ReactiveAdapterRegistry;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;
import reactor.util.context.Context;

/**
 * Guards methods that return publishers: each subscription reserves, then calls the method, and is settled when its
 * publisher ends. Nothing waits; the method may, it runs on a scheduler for work that blocks.
 */
final class PublisherGuard {
    private PublisherGuard() {}

    static Object guard(AsyncCyclesClient client, GuardedCall call) {
        AsyncCyclesClient elastic = elastic(client);
        Method method = call.method().method();
        // Of a function that suspends, Spring wants the publisher itself.
        boolean suspends = KotlinDetector.isSuspendingFunction(method);
        boolean isMany = call.method().completion() == Completion.MANY;
        Class<?> type = suspends ? isMany ? Flux.class : Mono.class : method.getReturnType();
        ReactiveAdapter adapter = ReactiveAdapterRegistry.getSharedInstance().getAdapter(type);
        return adapter.fromPublisher(isMany ? many(elastic, call, adapter) : single(elastic, call, adapter));
    }

    static AsyncCyclesClient elastic(AsyncCyclesClient client) {
        return client.on(task -> Schedulers.boundedElastic().schedule(task));
    }

    private static Mono<?> single(AsyncCyclesClient client, GuardedCall call, ReactiveAdapter adapter) {
        CyclesOptions options = call.options();
        if (call.method().isDryRun()) {
            return Mono.fromFuture(() -> client.dryRun(options));
        }
        return Mono.deferContextual(view -> {
            AsyncCyclesBlock<Object> block = context -> Mono.from(publisher(call, adapter))
                    .doOnSuccess(result -> call.addMetadata(context, result))
                    .contextWrite(Context.of(CyclesContext.class, context))
                    .contextWrite(view)
                    .toFuture();
            return Mono.fromFuture(() -> GuardedStream.inside(view, () -> call.method().saysActual()
                    ? client.withCycles(options, (CyclesActual<Object>) call::actual, block)
                    : client.withCycles(options, block)));
        });
    }

    private static Flux<?> many(AsyncCyclesClient client, GuardedCall call, ReactiveAdapter adapter) {
        CyclesOptions options = call.options();
        OnLimit onLimit = call.method().onLimit();
        return GuardedStream.of(
                onLimit != OnLimit.FINISH,
                () -> client.reserveStream(options, onLimit),
                stream -> new ItemCosts(call, stream, options.getEstimate().getAmount()),
                context -> publisher(call, adapter));
    }

    private static Publisher<Object> publisher(GuardedCall call, ReactiveAdapter adapter) throws Exception {
        return adapter.toPublisher(call.proceedAgain());
    }
}
