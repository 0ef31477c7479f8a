package dev.runcycles.spring;

import java.lang.reflect.Method;

/** How messages name things. */
final class Names {
    private Names() {}

    static String of(Method method) {
        return method.getDeclaringClass().getSimpleName() + "." + method.getName();
    }
}
