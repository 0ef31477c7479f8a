package dev.runcycles.spring;

import dev.runcycles.Nested;
import java.lang.reflect.Method;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.springframework.aop.support.AopUtils;
import org.springframework.core.MethodClassKey;
import org.springframework.core.annotation.AnnotatedElementUtils;

/** Finds {@link Cycles} on methods, their interfaces and their own annotations, and keeps what it found. */
final class GuardedMethods {
    private final CyclesExpressions expressions;
    private final Subjects subjects;
    private final Nested nested;
    private final Map<MethodClassKey, GuardedMethod> known = new ConcurrentHashMap<>();

    GuardedMethods(CyclesExpressions expressions, Subjects subjects, Nested nested) {
        this.expressions = expressions;
        this.subjects = subjects;
        this.nested = nested;
    }

    /** The annotation of {@code method} as {@code type} has it, or null. */
    static Cycles annotation(Method method, Class<?> type) {
        return AnnotatedElementUtils.findMergedAnnotation(AopUtils.getMostSpecificMethod(method, type), Cycles.class);
    }

    /**
     * The guarded method.
     *
     * @throws dev.runcycles.CyclesValidationError naming the method and the attribute that cannot be used
     */
    GuardedMethod of(Method method, Class<?> type) {
        return known.computeIfAbsent(new MethodClassKey(method, type), key -> {
            Method specific = AopUtils.getMostSpecificMethod(method, type);
            return new GuardedMethod(expressions, subjects, nested, specific, type, annotation(method, type));
        });
    }
}
