package dev.runcycles.spring;

import dev.runcycles.CyclesValidationError;
import dev.runcycles.DryRunResult;
import dev.runcycles.OnLimit;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.springframework.core.KotlinDetector;
import org.springframework.core.MethodParameter;
import org.springframework.core.ResolvableType;
import org.springframework.util.StringUtils;

/** Finds what is wrong with an annotation, naming the method and the attribute. */
final class AnnotationCheck {
    private final CyclesExpressions expressions;
    private final Method method;
    private final Cycles annotation;

    AnnotationCheck(CyclesExpressions expressions, Method method, Cycles annotation) {
        this.expressions = expressions;
        this.method = method;
        this.annotation = annotation;
    }

    /** When the method's work is over. */
    Completion completion() {
        Completion completion = Completion.of(method);
        if (completion == Completion.UNKNOWN) {
            throw refusal("nobody can tell when the method's work is over: return a CompletableFuture, Mono or Flux;"
                    + " functions that suspend need kotlinx-coroutines-reactor and kotlin-reflect",
                    "type", Completion.type(method).getSimpleName());
        }
        if (annotation.dryRun() && !holdsDryRunResult(completion)) {
            throw refusal("a dry run is answered by a DryRunResult, so the method must return that, Object, or a"
                    + " CompletableFuture or Mono of it", "dryRun", "true");
        }
        return completion;
    }

    /** All expressions parse, and those that are needed are there. */
    void expressions() {
        if (!StringUtils.hasText(annotation.estimate())) {
            throw refusal("an estimate is needed, for instance @Cycles(\"1000\")", "estimate", "");
        }
        if (!StringUtils.hasText(annotation.actual()) && !annotation.useEstimateIfActualNotProvided()) {
            throw refusal("an actual is needed where the estimate does not stand for it", "actual", "");
        }
        parse("estimate", annotation.estimate());
        parse("actual", annotation.actual());
        parse("metadata", annotation.metadata());
        for (String field : Subjects.FIELDS) {
            String said = subject(annotation, field);
            if (GuardedMethod.isExpression(said)) {
                parse(field, said);
            }
        }
    }

    /** What happens where a stream's hold is used up; only of a publisher of many it can be seen. */
    OnLimit onLimit(Completion completion) {
        OnLimit said = word("onLimit", annotation.onLimit(), OnLimit.class);
        if (said == null || said == OnLimit.FINISH) {
            return OnLimit.FINISH;
        }
        if (completion != Completion.MANY) {
            throw refusal("only a Flux, or another publisher of many items, flows until its limit", "onLimit", annotation.onLimit());
        }
        if (!StringUtils.hasText(annotation.actual())) {
            throw refusal("an actual is needed, which says what each item costs", "onLimit", annotation.onLimit());
        }
        return said;
    }

    /** The labels of the subject. */
    Map<String, String> dimensions() {
        Map<String, String> dimensions = new LinkedHashMap<>();
        for (String dimension : annotation.dimensions()) {
            int at = dimension.indexOf('=');
            if (at < 1) {
                throw refusal("a dimension is \"name=value\"", "dimensions", dimension);
            }
            dimensions.put(dimension.substring(0, at).strip(), dimension.substring(at + 1).strip());
        }
        return dimensions;
    }

    /** The constant of that name, whatever its case; null for none. */
    <E extends Enum<E>> E word(String attribute, String text, Class<E> words) {
        if (!StringUtils.hasText(text)) {
            return null;
        }
        E[] known = words.getEnumConstants();
        return Arrays.stream(known)
                .filter(word -> word.name().equalsIgnoreCase(text.strip()))
                .findFirst()
                .orElseThrow(() -> refusal("it is one of " + Arrays.toString(known), attribute, text));
    }

    /** What the annotation says of one field of the subject. */
    static String subject(Cycles annotation, String field) {
        return switch (field) {
            case "tenant" -> annotation.tenant();
            case "workspace" -> annotation.workspace();
            case "app" -> annotation.app();
            case "workflow" -> annotation.workflow();
            case "agent" -> annotation.agent();
            default -> annotation.toolset();
        };
    }

    private boolean holdsDryRunResult(Completion completion) {
        ResolvableType type = ResolvableType.forMethodParameter(new MethodParameter(method, -1));
        if (KotlinDetector.isSuspendingFunction(method)) {
            return type.isAssignableFrom(DryRunResult.class);
        }
        return switch (completion) {
            case RETURN -> type.isAssignableFrom(DryRunResult.class);
            case STAGE, SINGLE -> type.getGeneric(0).isAssignableFrom(DryRunResult.class);
            case MANY, UNKNOWN -> false;
        };
    }

    private void parse(String attribute, String text) {
        if (!StringUtils.hasText(text)) {
            return;
        }
        try {
            expressions.check(text);
        } catch (RuntimeException error) {
            throw refusal("the expression does not parse: " + error.getMessage(), attribute, text);
        }
    }

    private CyclesValidationError refusal(String what, String attribute, String value) {
        return new CyclesValidationError("@Cycles of " + Names.of(method) + ": " + what + " " + attribute + "=" + value, null);
    }
}
