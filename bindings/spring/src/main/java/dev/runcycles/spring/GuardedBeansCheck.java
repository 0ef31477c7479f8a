package dev.runcycles.spring;

import dev.runcycles.CyclesValidationError;
import dev.runcycles.spring.CyclesProperties.SelfInvocation;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Set;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;
import org.springframework.aop.framework.autoproxy.AutoProxyUtils;
import org.springframework.aop.support.AopUtils;
import org.springframework.beans.BeansException;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.core.MethodIntrospector;
import org.springframework.core.annotation.AnnotatedElementUtils;
import org.springframework.core.annotation.AnnotationUtils;
import org.springframework.util.ClassUtils;
import org.springframework.util.ReflectionUtils;

/** Looks at every bean when the application starts: a guard that does not guard must not go unnoticed. */
final class GuardedBeansCheck implements SmartInitializingSingleton {
    private static final Log LOG = LogFactory.getLog(Cycles.class);

    private final ConfigurableListableBeanFactory beans;
    private final GuardedMethods methods;
    private final SelfInvocation selfInvocation;

    GuardedBeansCheck(ConfigurableListableBeanFactory beans, GuardedMethods methods, SelfInvocation selfInvocation) {
        this.beans = beans;
        this.methods = methods;
        this.selfInvocation = selfInvocation;
    }

    @Override
    public void afterSingletonsInstantiated() {
        for (String name : beans.getBeanDefinitionNames()) {
            Class<?> type = type(name);
            Set<Method> guarded = type == null ? Set.of() : guarded(type);
            if (!guarded.isEmpty()) {
                check(name, type, guarded);
            }
        }
    }

    /** The class behind the bean; null where it cannot be told, or cannot be guarded. */
    private Class<?> type(String bean) {
        try {
            Class<?> type = AutoProxyUtils.determineTargetClass(beans, bean);
            return type == null ? null : ClassUtils.getUserClass(type);
        } catch (BeansException | LinkageError unknown) {
            LOG.debug("no class is known of a bean name=" + bean, unknown);
            return null;
        }
    }

    private static Set<Method> guarded(Class<?> type) {
        if (!AnnotationUtils.isCandidateClass(type, Cycles.class)) {
            return Set.of();
        }
        try {
            return MethodIntrospector.selectMethods(type, (ReflectionUtils.MethodFilter)
                    method -> AnnotatedElementUtils.hasAnnotation(method, Cycles.class));
        } catch (LinkageError unknown) {
            LOG.debug("a class cannot be looked at type=" + type.getName(), unknown);
            return Set.of();
        }
    }

    private void check(String bean, Class<?> type, Set<Method> guarded) {
        for (Method method : guarded) {
            refuseUnreachable(method);
            methods.of(method, type);
        }
        boolean isMade = beans.containsSingleton(bean) && !beans.isFactoryBean(bean);
        if (isMade && !AopUtils.isAopProxy(beans.getBean(bean))) {
            throw new CyclesValidationError(
                    "the bean has @Cycles methods and was made before it could be guarded; something that processes"
                            + " beans depends on it bean=" + bean + " type=" + type.getName(),
                    null);
        }
        report(type, guarded);
    }

    private static void refuseUnreachable(Method method) {
        int modifiers = method.getModifiers();
        if (Modifier.isPrivate(modifiers) || Modifier.isStatic(modifiers) || Modifier.isFinal(modifiers)) {
            throw new CyclesValidationError(
                    "@Cycles of " + Names.of(method) + ": a proxy cannot guard a method that is private, static or final",
                    null);
        }
    }

    private void report(Class<?> type, Set<Method> guarded) {
        if (selfInvocation == SelfInvocation.IGNORE) {
            return;
        }
        for (String call : SelfInvocations.of(type, guarded)) {
            String message = "a call within a class does not pass the guard: call the method of another bean, or of an"
                    + " injected proxy of this one call=" + call;
            if (selfInvocation == SelfInvocation.FAIL) {
                throw new CyclesValidationError(message, null);
            }
            LOG.warn(message);
        }
    }
}
