package dev.runcycles.spring;

import dev.runcycles.Action;
import dev.runcycles.Amount;
import dev.runcycles.CyclesOptions;
import dev.runcycles.CyclesUnit;
import dev.runcycles.Nested;
import dev.runcycles.OnLimit;
import dev.runcycles.OveragePolicy;
import dev.runcycles.Subject;
import java.lang.reflect.Method;
import java.util.List;
import java.util.Map;
import org.springframework.util.StringUtils;

/** A method with {@link Cycles}: what its annotation says, checked once and asked for every call. */
final class GuardedMethod {
    private final CyclesExpressions expressions;
    private final Subjects subjects;
    private final Method method;
    private final Cycles annotation;
    private final Completion completion;
    private final Action action;
    private final CyclesUnit unit;
    private final OveragePolicy overagePolicy;
    private final Nested nested;
    private final OnLimit onLimit;
    private final Map<String, String> dimensions;

    GuardedMethod(
            CyclesExpressions expressions, Subjects subjects, Nested nested, Method method, Class<?> type, Cycles annotation) {
        AnnotationCheck check = new AnnotationCheck(expressions, method, annotation);
        this.expressions = expressions;
        this.subjects = subjects;
        this.method = method;
        this.annotation = annotation;
        this.completion = check.completion();
        this.unit = check.word("unit", annotation.unit(), CyclesUnit.class);
        this.overagePolicy = check.word("overagePolicy", annotation.overagePolicy(), OveragePolicy.class);
        Nested said = check.word("nested", annotation.nested(), Nested.class);
        this.nested = said == null ? nested : said;
        this.onLimit = check.onLimit(completion);
        this.dimensions = check.dimensions();
        this.action = new Action(
                StringUtils.hasText(annotation.actionKind()) ? annotation.actionKind() : type.getSimpleName(),
                StringUtils.hasText(annotation.actionName()) ? annotation.actionName() : method.getName(),
                annotation.actionTags().length == 0 ? null : List.of(annotation.actionTags()));
        check.expressions();
    }

    Method method() {
        return method;
    }

    Completion completion() {
        return completion;
    }

    boolean isDryRun() {
        return annotation.dryRun();
    }

    /** What happens where a stream's hold is used up. */
    OnLimit onLimit() {
        return onLimit;
    }

    /** Whether {@link #actual} can be asked. */
    boolean saysActual() {
        return StringUtils.hasText(annotation.actual());
    }

    /** What is asked of the authority for one call. */
    CyclesOptions options(Invocation call) {
        Amount estimate = amount("estimate", annotation.estimate(), call);
        CyclesOptions options = new CyclesOptions(estimate, action, subject(call));
        options.setTtlMs(annotation.ttlMs() < 0 ? null : annotation.ttlMs());
        options.setGracePeriodMs(annotation.gracePeriodMs() < 0 ? null : annotation.gracePeriodMs());
        options.setOveragePolicy(overagePolicy);
        options.setNested(nested);
        return options;
    }

    /** What a call cost that has returned. */
    Amount actual(Invocation returned) {
        return amount("actual", annotation.actual(), returned);
    }

    /** What goes with the commit of a call that has returned; null for nothing. */
    Object metadata(Invocation returned) {
        return StringUtils.hasText(annotation.metadata())
                ? expressions.evaluate("metadata", annotation.metadata(), returned)
                : null;
    }

    private Amount amount(String attribute, String text, Invocation call) {
        Object value = expressions.evaluate(attribute, text, call);
        return Amounts.of("@Cycles of " + Names.of(call.method()) + ": " + attribute + "=" + text, value, unit);
    }

    private Subject subject(Invocation call) {
        return subjects.subject(field -> {
            String said = said(field);
            if (!isExpression(said)) {
                return said;
            }
            Object value = expressions.evaluate(field, said, call);
            return value == null ? null : value.toString();
        }, dimensions);
    }

    private String said(String field) {
        return AnnotationCheck.subject(annotation, field);
    }

    static boolean isExpression(String text) {
        return text.stripLeading().startsWith("#");
    }
}
