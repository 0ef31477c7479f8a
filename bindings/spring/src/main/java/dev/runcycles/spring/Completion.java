package dev.runcycles.spring;

import java.lang.reflect.Method;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Future;
import org.springframework.core.KotlinDetector;
import org.springframework.core.MethodParameter;
import org.springframework.core.ReactiveAdapter;
import org.springframework.core.ReactiveAdapterRegistry;

/** When the work of a method is over, which its type says. */
enum Completion {
    /** When it returns. */
    RETURN,

    /** When its {@code CompletionStage} completes. */
    STAGE,

    /** When its publisher of at most one item ends, or its coroutine. */
    SINGLE,

    /** When its publisher ends. */
    MANY,

    /** Nobody can tell. */
    UNKNOWN;

    static Completion of(Method method) {
        Completion completion = of(type(method));
        if (!KotlinDetector.isSuspendingFunction(method)) {
            return completion;
        }
        boolean isFlow = completion == MANY && type(method).getName().equals("kotlinx.coroutines.flow.Flow");
        return !Suspending.IS_SUPPORTED ? UNKNOWN : completion == RETURN ? SINGLE : isFlow ? MANY : UNKNOWN;
    }

    /** What a method answers; of a Kotlin function that suspends, what it says in Kotlin. */
    static Class<?> type(Method method) {
        return new MethodParameter(method, -1).getParameterType();
    }

    private static Completion of(Class<?> type) {
        if (type == CompletionStage.class || type == CompletableFuture.class) {
            return STAGE;
        }
        ReactiveAdapter adapter = ReactiveAdapterRegistry.getSharedInstance().getAdapter(type);
        if (adapter != null && !CompletionStage.class.isAssignableFrom(type)) {
            return adapter.isMultiValue() ? MANY : SINGLE;
        }
        return Future.class.isAssignableFrom(type) ? UNKNOWN : RETURN;
    }

    /** Whether {@code value}, which a method returned whose type did not say so, goes on after its return. */
    static boolean isUnfinished(Object value) {
        return value instanceof Future<?> future && !future.isDone()
                || value instanceof CompletionStage<?> && !(value instanceof Future<?>)
                || value != null
                        && !(value instanceof CompletionStage<?>)
                        && ReactiveAdapterRegistry.getSharedInstance().getAdapter(value.getClass()) != null;
    }
}
