package dev.runcycles.spring;

import dev.runcycles.CyclesValidationError;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.springframework.beans.factory.BeanFactory;
import org.springframework.context.expression.BeanFactoryResolver;
import org.springframework.context.expression.MethodBasedEvaluationContext;
import org.springframework.core.DefaultParameterNameDiscoverer;
import org.springframework.core.ParameterNameDiscoverer;
import org.springframework.core.convert.TypeDescriptor;
import org.springframework.expression.AccessException;
import org.springframework.expression.BeanResolver;
import org.springframework.expression.EvaluationContext;
import org.springframework.expression.Expression;
import org.springframework.expression.MethodExecutor;
import org.springframework.expression.PropertyAccessor;
import org.springframework.expression.TypedValue;
import org.springframework.expression.spel.standard.SpelExpressionParser;
import org.springframework.expression.spel.support.ReflectiveMethodResolver;
import org.springframework.expression.spel.support.ReflectivePropertyAccessor;

/**
 * Evaluates the SpEL of {@link Cycles} annotations.
 *
 * <p>SpEL multiplies two {@code Integer}s as such: {@code #dollars * 100000000} would be wrong from 22 dollars on.
 * Whole numbers are therefore {@code Long}s wherever they come from.
 */
final class CyclesExpressions {
    private final SpelExpressionParser parser = new SpelExpressionParser();
    private final ParameterNameDiscoverer names = new DefaultParameterNameDiscoverer();
    private final Map<String, Expression> parsed = new ConcurrentHashMap<>();
    private final BeanResolver beans;

    CyclesExpressions(BeanFactory beanFactory) {
        this.beans = new BeanFactoryResolver(beanFactory);
    }

    /** Fails for what does not parse. */
    void check(String text) {
        parsed(text);
    }

    /** What {@code text} is for a call; {@code #result} is null before it has returned. */
    Object evaluate(String attribute, String text, Invocation call) {
        try {
            return parsed(text).getValue(new Context(call));
        } catch (RuntimeException error) {
            throw new CyclesValidationError(
                    "@Cycles of " + Names.of(call.method()) + ": the expression failed: " + error.getMessage() + " "
                            + attribute + "=" + text,
                    error);
        }
    }

    private Expression parsed(String text) {
        return parsed.computeIfAbsent(text, parser::parseExpression);
    }

    private static Object widened(Object value) {
        return value instanceof Integer || value instanceof Short || value instanceof Byte
                ? Long.valueOf(((Number) value).longValue())
                : value;
    }

    private static TypedValue widened(TypedValue value) {
        Object wide = widened(value.getValue());
        return wide == value.getValue() ? value : new TypedValue(wide);
    }

    private final class Context extends MethodBasedEvaluationContext {
        Context(Invocation call) {
            super(call, call.method(), Suspending.withRoom(call.method(), call.args()), names);
            setBeanResolver(beans);
            setPropertyAccessors(List.of(new WideProperties()));
            setMethodResolvers(List.of(new WideMethods()));
            setVariable("args", Arrays.stream(call.args()).map(CyclesExpressions::widened).toArray());
            setVariable("target", call.target());
            setVariable("result", call.result());
        }

        @Override
        public Object lookupVariable(String name) {
            return widened(super.lookupVariable(name));
        }
    }

    /** Properties of what an expression names; of the bean, where it names nothing. */
    private static final class WideProperties extends ReflectivePropertyAccessor {
        @Override
        public boolean canRead(EvaluationContext context, Object target, String name) throws AccessException {
            return super.canRead(context, target, name)
                    || target instanceof Invocation call && super.canRead(context, call.target(), name);
        }

        @Override
        public TypedValue read(EvaluationContext context, Object target, String name) throws AccessException {
            boolean isOfBean = target instanceof Invocation && !super.canRead(context, target, name);
            return widened(super.read(context, isOfBean ? ((Invocation) target).target() : target, name));
        }

        @Override
        public PropertyAccessor createOptimalAccessor(EvaluationContext context, Object target, String name) {
            return this;
        }
    }

    /** Methods likewise. */
    private static final class WideMethods extends ReflectiveMethodResolver {
        @Override
        public MethodExecutor resolve(
                EvaluationContext context, Object target, String name, List<TypeDescriptor> argumentTypes)
                throws AccessException {
            if (target instanceof Invocation call) {
                MethodExecutor ofBean = super.resolve(context, call.target(), name, argumentTypes);
                return ofBean == null ? null : (at, on, arguments) -> widened(ofBean.execute(at, ((Invocation) on).target(), arguments));
            }
            MethodExecutor executor = super.resolve(context, target, name, argumentTypes);
            return executor == null ? null : (at, on, arguments) -> widened(executor.execute(at, on, arguments));
        }
    }
}
