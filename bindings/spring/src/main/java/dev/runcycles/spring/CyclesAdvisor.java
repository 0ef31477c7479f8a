package dev.runcycles.spring;

import java.lang.reflect.Method;
import org.aopalliance.aop.Advice;
import org.springframework.aop.Pointcut;
import org.springframework.aop.support.AbstractPointcutAdvisor;
import org.springframework.aop.support.StaticMethodMatcherPointcut;
import org.springframework.core.annotation.AnnotationUtils;

/**
 * Puts the guard around methods with {@link Cycles}. It is the innermost advisor: what is answered from a cache costs
 * nothing, and each try of a retried method is a call of its own.
 */
final class CyclesAdvisor extends AbstractPointcutAdvisor {
    private static final long serialVersionUID = 1L;
    private static final Pointcut GUARDED = new Guarded();

    private final transient CyclesInterceptor interceptor;

    CyclesAdvisor(CyclesInterceptor interceptor) {
        this.interceptor = interceptor;
    }

    @Override
    public Advice getAdvice() {
        return interceptor;
    }

    @Override
    public Pointcut getPointcut() {
        return GUARDED;
    }

    private static final class Guarded extends StaticMethodMatcherPointcut {
        Guarded() {
            setClassFilter(type -> AnnotationUtils.isCandidateClass(type, Cycles.class));
        }

        @Override
        public boolean matches(Method method, Class<?> type) {
            return GuardedMethods.annotation(method, type) != null;
        }
    }
}
