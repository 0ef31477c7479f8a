package dev.runcycles.spring;

import dev.runcycles.Amount;
import dev.runcycles.CyclesUnit;
import java.math.BigDecimal;
import org.springframework.ai.chat.client.ChatClientRequest;
import org.springframework.ai.chat.client.ChatClientResponse;
import org.springframework.ai.chat.metadata.Usage;
import org.springframework.ai.chat.prompt.ChatOptions;

/** So much a token, or tokens themselves. */
final class TokenPrice implements CyclesChatPrice {
    /** A rule of thumb for English; only estimates rest on it. */
    private static final int CHARACTERS_PER_TOKEN = 4;

    private final CyclesChatProperties properties;
    private final BigDecimal input;
    private final BigDecimal output;

    TokenPrice(CyclesChatProperties properties) {
        boolean counts = properties.estimateUnit() == CyclesUnit.TOKENS;
        this.properties = properties;
        this.input = counts ? BigDecimal.ONE : properties.inputCostPerToken();
        this.output = counts ? BigDecimal.ONE : properties.outputCostPerToken();
    }

    @Override
    public Amount estimate(ChatClientRequest request) {
        long estimate = properties.estimateFromPrompt() ? fromPrompt(request) : 0;
        return new Amount(properties.estimateUnit(), estimate > 0 ? estimate : properties.defaultEstimate());
    }

    @Override
    public Amount actual(ChatClientResponse response) {
        Usage usage = ChatUsage.usage(response);
        return usage != null && hasPrice()
                ? new Amount(properties.estimateUnit(), cost(ChatUsage.tokens(usage.getPromptTokens()), ChatUsage.tokens(usage.getCompletionTokens())))
                : null;
    }

    @Override
    public Amount soFar(ChatClientRequest request, long characters) {
        return hasPrice()
                ? new Amount(properties.estimateUnit(), cost(promptTokens(request), tokens(characters)))
                : null;
    }

    private boolean hasPrice() {
        return input.signum() > 0 || output.signum() > 0;
    }

    private long fromPrompt(ChatClientRequest request) {
        ChatOptions options = request.prompt().getOptions();
        Integer limit = options == null ? null : options.getMaxTokens();
        return cost(promptTokens(request), limit == null ? 0 : limit);
    }

    private static long promptTokens(ChatClientRequest request) {
        return tokens(request.prompt().getContents().length());
    }

    private static long tokens(long characters) {
        return (characters + CHARACTERS_PER_TOKEN - 1) / CHARACTERS_PER_TOKEN;
    }

    private long cost(long inputTokens, long outputTokens) {
        return Amounts.whole(input.multiply(BigDecimal.valueOf(inputTokens))
                .add(output.multiply(BigDecimal.valueOf(outputTokens))));
    }
}
