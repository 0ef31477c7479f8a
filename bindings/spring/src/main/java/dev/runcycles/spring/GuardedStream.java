package dev.runcycles.spring;

import dev.runcycles.AsyncStreamReservation;
import dev.runcycles.CyclesContext;
import dev.runcycles.CyclesError;
import dev.runcycles.Settlement;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Function;
import org.reactivestreams.Publisher;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.util.context.Context;
import reactor.util.context.ContextView;

/** A publisher of many items under a stream's reservation. */
final class GuardedStream {
    private GuardedStream() {}

    /**
     * Reserves when somebody subscribes, and settles when {@code body} ends, fails or is cancelled: what flowed is
     * committed, and everything given back where nothing did. A stream whose lease is lost under the policy
     * {@code cancel} ends with why.
     *
     * @param isLimited whether it ends, or takes a further reservation, where its hold is used up
     */
    static <T> Flux<T> of(
            boolean isLimited,
            Callable<CompletableFuture<AsyncStreamReservation>> reserve,
            Function<AsyncStreamReservation, Counting<T>> counting,
            Body<T> body) {
        return Flux.deferContextual(view -> Flux.usingWhen(
                Mono.fromFuture(() -> inside(view, reserve)).map(stream -> new Held<>(stream, counting.apply(stream), isLimited)),
                held -> held.flux(body),
                Held::finish,
                (held, error) -> held.abort(error.getClass().getSimpleName()),
                held -> held.abort("cancelled")));
    }

    /** Starts something inside the guarded call that the subscriber is in, if it is in one. */
    static <T> CompletableFuture<T> inside(ContextView view, Callable<CompletableFuture<T>> start) {
        CyclesContext outer = view.getOrDefault(CyclesContext.class, null);
        try {
            return outer == null ? start.call() : outer.call(start);
        } catch (Exception error) {
            return CompletableFuture.failedFuture(error);
        }
    }

    /** The hold is used up, and the stream ends as if it had come to its end. */
    private static final class UsedUp extends RuntimeException {
        UsedUp() {
            super("the hold is used up", null, false, false);
        }
    }

    /** Starts the stream itself. */
    interface Body<T> {
        /** The items, under the reservation that {@code context} describes. */
        Publisher<T> start(CyclesContext context) throws Exception;
    }

    private record Held<T>(AsyncStreamReservation stream, Counting<T> counting, boolean isLimited) {
        Flux<T> flux(Body<T> body) {
            CyclesContext context = stream.getContext();
            Flux<T> items = Flux.from(started(context, body)).doOnNext(counting::count);
            if (isLimited) {
                Flux<T> asking = items.concatMap(item -> Flux.concat(Mono.just(item), goesOn()), 0);
                items = Flux.concat(goesOn(), asking).onErrorComplete(UsedUp.class);
            }
            return (stream.getCancelsWhenLost() ? unlessLost(items) : items)
                    .contextWrite(Context.of(CyclesContext.class, context));
        }

        /** In two steps: where the other fails, {@code takeUntilOther} does not cancel its source. */
        private Flux<T> unlessLost(Flux<T> items) {
            AtomicReference<CyclesError> loss = new AtomicReference<>();
            return items.takeUntilOther(Mono.fromFuture(stream::lost).doOnNext(loss::set))
                    .concatWith(Mono.defer(() -> Mono.justOrEmpty(loss.get()).flatMap(Mono::error)));
        }

        /** Ends where more may flow; fails with {@link UsedUp} or why not, where it may not. */
        private Mono<T> goesOn() {
            return Mono.fromFuture(stream::proceed)
                    .flatMap(more -> more ? Mono.empty() : Mono.error(new UsedUp()));
        }

        private static <T> Publisher<T> started(CyclesContext context, Body<T> body) {
            try {
                return context.call(() -> body.start(context));
            } catch (Exception error) {
                return Flux.error(error);
            }
        }

        Mono<Settlement> finish() {
            counting.end();
            return settled(stream.finish());
        }

        Mono<Settlement> abort(String reason) {
            counting.end();
            return settled(stream.abort(reason));
        }

        private Mono<Settlement> settled(CompletableFuture<Settlement> settlement) {
            return Mono.fromFuture(settlement.whenComplete((answer, error) -> stream.close()));
        }
    }
}
