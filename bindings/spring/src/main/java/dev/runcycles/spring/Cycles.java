package dev.runcycles.spring;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.springframework.core.annotation.AliasFor;

/**
 * Guards a bean's method by a budget: reserves the estimate, runs the method, and commits what it cost.
 *
 * <p>Where a budget does not have the estimate, the method does not run and its caller gets a
 * {@link dev.runcycles.BudgetExceededError}. A method that throws gives everything back. One that returns a
 * {@code CompletionStage}, {@code Mono} or {@code Flux} is settled when that ends, see the package's README.
 *
 * <p>Amounts, {@link #metadata} and subjects that begin with {@code #} are SpEL. They know the arguments by name
 * and as {@code #p0}, {@code #a0} and {@code #args}, the bean's own properties and methods, and other beans as
 * {@code @name}. Whole numbers are {@code Long} there, so that products do not overflow; fractions of a unit are
 * rounded up.
 *
 * <p>What is left out is not sent, and the authority's own defaults apply.
 */
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target({ElementType.METHOD, ElementType.ANNOTATION_TYPE})
public @interface Cycles {
    /** The estimate, as SpEL: {@code "1000"}, {@code "#tokens * 10"}. */
    @AliasFor("estimate")
    String value() default "";

    /** The same as {@link #value}. */
    @AliasFor("value")
    String estimate() default "";

    /**
     * What it cost, as SpEL over {@code #result}. Where it fails, the estimate is committed and marked so. For
     * a {@code Flux} it is asked for every item, and the answers add up.
     */
    String actual() default "";

    /** Whether the estimate is committed where there is no {@link #actual}. */
    boolean useEstimateIfActualNotProvided() default true;

    /** What kind of action it is, like {@code llm.completion}; the class's simple name unless set. */
    String actionKind() default "";

    /** What is done, like a model's name; the method's name unless set. */
    String actionName() default "";

    /** Free labels of the action. */
    String[] actionTags() default {};

    /** What amounts count: {@code USD_MICROCENTS}, {@code TOKENS}, {@code CREDITS} or {@code RISK_POINTS}. */
    String unit() default "USD_MICROCENTS";

    /** How long the reservation lives without a heartbeat, milliseconds. */
    long ttlMs() default -1;

    /** How long after expiry a commit is still taken, milliseconds. */
    long gracePeriodMs() default -1;

    /** {@code REJECT}, {@code ALLOW_IF_AVAILABLE} or {@code ALLOW_WITH_OVERDRAFT}: an actual above the estimate. */
    String overagePolicy() default "";

    /**
     * Asks, and does nothing: the method does not run, and a {@link dev.runcycles.DryRunResult} is returned in its
     * place, denials too. The method's type must allow it.
     */
    boolean dryRun() default false;

    /** Who pays inside another guarded call: {@code own}, {@code inherit} or {@code forbid}; else {@code cycles.nested}. */
    String nested() default "";

    /**
     * What happens to a {@code Flux} that has used up its hold, which {@link #actual} says: {@code cut} ends it,
     * {@code extend} takes the estimate again, or ends it with the refusal; {@code finish}, unless set, lets it flow on.
     */
    String onLimit() default "";

    /** A SpEL map that goes with the commit; keys that the method sets in its context win. */
    String metadata() default "";

    /** Free labels of the subject that no budget is kept for, as {@code "name=value"}. */
    String[] dimensions() default {};

    /** Who spends; {@code cycles.tenant}, then a resolver bean where it is empty or null. */
    String tenant() default "";

    /** See {@link #tenant}. */
    String workspace() default "";

    /** See {@link #tenant}. */
    String app() default "";

    /** See {@link #tenant}. */
    String workflow() default "";

    /** See {@link #tenant}. */
    String agent() default "";

    /** See {@link #tenant}. */
    String toolset() default "";
}
