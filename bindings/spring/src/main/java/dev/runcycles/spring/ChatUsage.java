package dev.runcycles.spring;

import dev.runcycles.Amount;
import dev.runcycles.AsyncStreamReservation;
import dev.runcycles.CyclesMetrics;
import dev.runcycles.StreamUsage;
import java.util.function.Supplier;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;
import org.springframework.ai.chat.client.ChatClientRequest;
import org.springframework.ai.chat.client.ChatClientResponse;
import org.springframework.ai.chat.metadata.Usage;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.model.Generation;

/** What a streamed model call has used: models say so once, at the end, or again and again. */
final class ChatUsage implements Counting<ChatClientResponse> {
    private static final Log LOG = LogFactory.getLog(CyclesChatPrice.class);

    private final CyclesChatPrice price;
    private final ChatClientRequest limited;
    private final AsyncStreamReservation stream;
    private final long estimate;
    private long characters;

    /** {@code limited} is what was asked where the stream is cut or extended at its hold, else null. */
    ChatUsage(CyclesChatPrice price, ChatClientRequest limited, AsyncStreamReservation stream, long estimate) {
        this.price = price;
        this.limited = limited;
        this.stream = stream;
        this.estimate = estimate;
    }

    /** Once a model has said what it used, pieces that do not say so change nothing, unless there is a limit to keep. */
    @Override
    public void count(ChatClientResponse response) {
        Amount actual = told(() -> price.actual(response));
        CyclesMetrics metrics = metrics(response);
        if (actual != null) {
            stream.record(before -> new StreamUsage(0, 0, actual.getAmount(), metrics, null));
            return;
        }
        characters += text(response).length();
        Amount soFar = limited == null ? null : told(() -> price.soFar(limited, characters));
        stream.record(before -> {
            Long said = before.getActual();
            if (soFar != null && (said == null || soFar.getAmount() > said)) {
                return new StreamUsage(0, 0, soFar.getAmount(), metrics, ItemCosts.ESTIMATED);
            }
            return said == null ? new StreamUsage(0, 0, estimate, metrics, ItemCosts.ESTIMATED) : before;
        });
    }

    /** The stream flows on where the price cannot be told. */
    private static Amount told(Supplier<Amount> price) {
        try {
            return price.get();
        } catch (RuntimeException unknown) {
            LOG.warn("a price cannot be told, and the estimate stands for it", unknown);
            return null;
        }
    }

    private static String text(ChatClientResponse response) {
        Generation result = response.chatResponse() == null ? null : response.chatResponse().getResult();
        String text = result == null ? null : result.getOutput().getText();
        return text == null ? "" : text;
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
