package dev.runcycles.spring;

import dev.runcycles.Amount;
import org.springframework.ai.chat.client.ChatClientRequest;
import org.springframework.ai.chat.client.ChatClientResponse;

/** What model calls cost. A bean of this type replaces the one that {@code cycles.spring-ai.*} describes. */
public interface CyclesChatPrice {
    /** What the call may cost. */
    Amount estimate(ChatClientRequest request);

    /**
     * What a response has cost, in the estimate's unit; null where it does not say. Of a stream it is asked for every
     * piece, and the last answer counts.
     */
    Amount actual(ChatClientResponse response);

    /**
     * What a stream has cost so far that has answered so many characters and whose model has not said what it used. Asked
     * where a stream is cut or extended at its hold; null where it cannot be told, and the estimate stands for it.
     */
    default Amount soFar(ChatClientRequest request, long characters) {
        return null;
    }
}
