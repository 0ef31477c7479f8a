package dev.runcycles.spring;

import java.lang.reflect.Method;

/** One call of a guarded method, as expressions see it: their {@code #root}. */
record Invocation(Object target, Method method, Object[] args, Object result) {
    Invocation(Object target, Method method, Object[] args) {
        this(target, method, args, null);
    }

    Invocation returning(Object result) {
        return new Invocation(target, method, args, result);
    }
}
