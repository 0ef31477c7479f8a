package dev.runcycles.spring;

import dev.runcycles.CyclesUnit;
import dev.runcycles.Nested;
import dev.runcycles.OnLimit;
import java.math.BigDecimal;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * How chat clients are guarded.
 *
 * @param enabled whether they are
 * @param defaultEstimate what a model call may cost, in the unit, where nothing better is known
 * @param estimateUnit what estimates and costs count
 * @param estimateFromPrompt whether the estimate follows from the prompt's length, the output's limit and the costs per
 *     token
 * @param inputCostPerToken what a token of input costs, in the unit; fractions count, the sum is rounded up
 * @param outputCostPerToken what a token of output costs, in the unit
 * @param actionKind what kind of action a model call is
 * @param actionName its name; the model's unless set, and spring-ai-chat where that is not known
 * @param nested who pays for a model call inside a guarded method
 * @param onLimit what happens to a stream that has used up its hold: it is cut, takes its estimate again (extend), or
 *     flows on (finish)
 * @param order where the guard stands among advisors; next to the model unless set, so that each call of a tool loop is
 *     guarded
 */
@ConfigurationProperties("cycles.spring-ai")
public record CyclesChatProperties(
        @DefaultValue("true") boolean enabled,
        @DefaultValue("1000") long defaultEstimate,
        @DefaultValue("USD_MICROCENTS") CyclesUnit estimateUnit,
        @DefaultValue("false") boolean estimateFromPrompt,
        @DefaultValue("0") BigDecimal inputCostPerToken,
        @DefaultValue("0") BigDecimal outputCostPerToken,
        @DefaultValue("llm.chat") String actionKind,
        String actionName,
        @DefaultValue("inherit") Nested nested,
        @DefaultValue("finish") OnLimit onLimit,
        @DefaultValue("2147483547") int order) {}
