package dev.runcycles.spring;

import dev.runcycles.CyclesContext;

/** The reservation that the running method is guarded by. */
public final class CyclesContextHolder {
    private CyclesContextHolder() {}

    /**
     * The innermost guarded call that this thread is in, or null outside of one.
     *
     * <p>In reactive code it is there while the method itself runs; operators find it in Reactor's context, under
     * {@code CyclesContext.class}.
     */
    public static CyclesContext get() {
        return CyclesContext.current();
    }
}
