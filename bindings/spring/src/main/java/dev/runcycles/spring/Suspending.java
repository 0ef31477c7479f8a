package dev.runcycles.spring;

import dev.runcycles.CyclesContext;
import java.lang.reflect.Method;
import java.util.Arrays;
import kotlin.coroutines.Continuation;
import kotlin.coroutines.CoroutineContext;
import org.springframework.core.KotlinDetector;
import org.springframework.util.ClassUtils;

/**
 * Kotlin functions that suspend. Spring's proxies make a publisher of the call and wait for it in the caller's coroutine,
 * where {@code kotlinx-coroutines-reactor} and {@code kotlin-reflect} are there.
 */
final class Suspending {
    static final boolean IS_SUPPORTED = isPresent("kotlinx.coroutines.reactor.MonoKt") && isPresent("kotlin.reflect.full.KClasses");

    private Suspending() {}

    /** The arguments that were written down: without the continuation. */
    static Object[] arguments(Method method, Object[] arguments) {
        return KotlinDetector.isSuspendingFunction(method)
                ? Arrays.copyOf(arguments, arguments.length - 1)
                : arguments;
    }

    /** {@link #arguments} with room for a continuation, which Spring's expressions leave out by themselves. */
    static Object[] withRoom(Method method, Object[] arguments) {
        return KotlinDetector.isSuspendingFunction(method)
                ? Arrays.copyOf(arguments, arguments.length + 1)
                : arguments;
    }

    /** A copy of the arguments for a call inside {@code context}: the function's coroutine carries it. */
    static Object[] inside(CyclesContext context, Method method, Object[] arguments) {
        Object[] inside = arguments.clone();
        if (context != null && KotlinDetector.isSuspendingFunction(method)) {
            Continuation<?> caller = (Continuation<?>) arguments[arguments.length - 1];
            inside[inside.length - 1] = new Inside<>(caller, caller.getContext().plus(context.asCoroutineContext()));
        }
        return inside;
    }

    private static boolean isPresent(String type) {
        return ClassUtils.isPresent(type, Suspending.class.getClassLoader());
    }

    private record Inside<T>(Continuation<T> caller, CoroutineContext context) implements Continuation<T> {
        @Override
        public CoroutineContext getContext() {
            return context;
        }

        @Override
        public void resumeWith(Object result) {
            caller.resumeWith(result);
        }
    }
}
