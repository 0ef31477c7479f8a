package dev.runcycles.spring;

import dev.runcycles.Amount;
import dev.runcycles.AsyncStreamReservation;
import dev.runcycles.CyclesMetrics;
import dev.runcycles.StreamUsage;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;
import org.springframework.ai.chat.client.ChatClientResponse;
import org.springframework.ai.chat.metadata.Usage;
import org.springframework.ai.chat.model.ChatResponse;

/** What a streamed model call has used: models say so once, at the end, or again and again. */
final class ChatUsage implements Counting<ChatClientResponse> {
    private static final Log LOG = LogFactory.getLog(CyclesChatPrice.class);

    private final CyclesChatPrice price;
    private final AsyncStreamReservation stream;
    private final long estimate;

    ChatUsage(CyclesChatPrice price, AsyncStreamReservation stream, long estimate) {
        this.price = price;
        this.stream = stream;
        this.estimate = estimate;
    }

    /** Once a model has said what it used, pieces that do not say so change nothing. */
    @Override
    public void count(ChatClientResponse response) {
        Amount actual = actual(response);
        CyclesMetrics metrics = metrics(response);
        stream.record(before -> {
            if (actual != null) {
                return new StreamUsage(0, 0, actual.getAmount(), metrics, null);
            }
            return before.getActual() == null
                    ? new StreamUsage(0, 0, estimate, metrics, ItemCosts.ESTIMATED)
                    : before;
        });
    }

    /** The stream flows on where the price cannot be told. */
    private Amount actual(ChatClientResponse response) {
        try {
            return price.actual(response);
        } catch (RuntimeException unknown) {
            LOG.warn("a price cannot be told, and the estimate stands for it", unknown);
            return null;
        }
    }

    @Override
    public void end() {
        // Everything has been said.
    }

    /** What the model says that it used; null where it says nothing. */
    static Usage usage(ChatClientResponse response) {
        ChatResponse answer = response.chatResponse();
        Usage usage = answer == null ? null : answer.getMetadata().getUsage();
        return usage == null || tokens(usage.getPromptTokens()) + tokens(usage.getCompletionTokens()) == 0 ? null : usage;
    }

    /** Measurements that go with the commit. */
    static CyclesMetrics metrics(ChatClientResponse response) {
        CyclesMetrics metrics = new CyclesMetrics();
        Usage usage = usage(response);
        if (usage != null) {
            metrics.setTokensInput(tokens(usage.getPromptTokens()));
            metrics.setTokensOutput(tokens(usage.getCompletionTokens()));
        }
        ChatResponse answer = response.chatResponse();
        metrics.setModelVersion(answer == null ? null : CyclesProperties.text(answer.getMetadata().getModel()));
        return metrics;
    }

    static long tokens(Integer count) {
        return count == null ? 0 : count;
    }
}
