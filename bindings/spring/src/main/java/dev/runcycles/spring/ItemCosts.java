package dev.runcycles.spring;

import dev.runcycles.AsyncStreamReservation;
import dev.runcycles.CyclesError;
import dev.runcycles.StreamUsage;
import java.util.Map;

/** What the items of a guarded method's publisher cost: their actuals added up, or the estimate from the first on. */
final class ItemCosts implements Counting<Object> {
    /** What the core says too where a cost is not known. */
    static final Map<String, Object> ESTIMATED = Map.of("actual_source", "estimate");

    private final GuardedCall call;
    private final AsyncStreamReservation stream;
    private final long estimate;
    private long total;
    private boolean isKnown;
    private volatile Object last;

    ItemCosts(GuardedCall call, AsyncStreamReservation stream, long estimate) {
        this.call = call;
        this.stream = stream;
        this.estimate = estimate;
        this.isKnown = call.method().saysActual();
        if (isKnown) {
            report(0, null);
        }
    }

    @Override
    public void count(Object item) {
        last = item;
        isKnown = isKnown && adds(item);
        if (isKnown) {
            report(total, null);
        } else {
            report(Math.max(total, estimate), ESTIMATED);
        }
    }

    @Override
    public void end() {
        call.addMetadata(stream.getContext(), last);
    }

    private boolean adds(Object item) {
        try {
            total = Math.addExact(total, call.actual(item).getAmount());
            return true;
        } catch (CyclesError | ArithmeticException unknown) {
            return false;
        }
    }

    private void report(long actual, Map<String, Object> metadata) {
        stream.record(usage -> new StreamUsage(0, 0, actual, null, metadata));
    }
}
