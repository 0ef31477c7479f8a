package dev.runcycles.spring;

import dev.runcycles.Action;
import dev.runcycles.AsyncCyclesClient;
import dev.runcycles.Amount;
import dev.runcycles.BlockingCyclesClient;
import dev.runcycles.Caps;
import dev.runcycles.CyclesActual;
import dev.runcycles.CyclesBlock;
import dev.runcycles.CyclesClient;
import dev.runcycles.CyclesContext;
import dev.runcycles.CyclesOptions;
import dev.runcycles.OnLimit;
import java.lang.reflect.UndeclaredThrowableException;
import java.util.Map;
import java.util.NoSuchElementException;
import org.springframework.ai.chat.client.ChatClientRequest;
import org.springframework.ai.chat.client.ChatClientResponse;
import org.springframework.ai.chat.client.advisor.api.CallAdvisor;
import org.springframework.ai.chat.client.advisor.api.CallAdvisorChain;
import org.springframework.ai.chat.client.advisor.api.StreamAdvisor;
import org.springframework.ai.chat.client.advisor.api.StreamAdvisorChain;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import reactor.core.publisher.Flux;

/**
 * Guards a chat client's model calls: where a budget does not have the estimate, the model is not called. A stream is
 * settled when it ends; one that fails or is cancelled commits what flowed.
 *
 * <p>The authority's cap on tokens lowers the call's own limit.
 */
public final class CyclesChatAdvisor implements CallAdvisor, StreamAdvisor {
    private final BlockingCyclesClient blocking;
    private final AsyncCyclesClient elastic;
    private final Subjects subjects;
    private final CyclesChatPrice price;
    private final CyclesChatProperties properties;

    CyclesChatAdvisor(CyclesClient client, Subjects subjects, CyclesChatPrice price, CyclesChatProperties properties) {
        this.blocking = client.getBlocking();
        this.elastic = PublisherGuard.elastic(client.getAsync());
        this.subjects = subjects;
        this.price = price;
        this.properties = properties;
    }

    @Override
    public String getName() {
        return "cycles";
    }

    @Override
    public int getOrder() {
        return properties.order();
    }

    @Override
    public ChatClientResponse adviseCall(ChatClientRequest request, CallAdvisorChain chain) {
        CyclesBlock<ChatClientResponse> call = context -> {
            ChatClientResponse response = chain.nextCall(capped(request, context));
            context.setMetrics(ChatUsage.metrics(response));
            return response;
        };
        try {
            return blocking.withCycles(options(request), (CyclesActual<ChatClientResponse>) this::actual, call);
        } catch (RuntimeException error) {
            throw error;
        } catch (Exception error) {
            throw new UndeclaredThrowableException(error);
        }
    }

    @Override
    public Flux<ChatClientResponse> adviseStream(ChatClientRequest request, StreamAdvisorChain chain) {
        return Flux.defer(() -> {
            CyclesOptions options = options(request);
            OnLimit onLimit = properties.onLimit();
            boolean isLimited = onLimit != OnLimit.FINISH;
            return GuardedStream.of(
                    isLimited,
                    () -> elastic.reserveStream(options, onLimit),
                    stream -> new ChatUsage(price, isLimited ? request : null, stream, options.getEstimate().getAmount()),
                    context -> chain.nextStream(capped(request, context)));
        });
    }

    private CyclesOptions options(ChatClientRequest request) {
        CyclesOptions options = new CyclesOptions(
                price.estimate(request),
                new Action(properties.actionKind(), name(request)),
                subjects.subject(field -> null, Map.of()));
        options.setNested(properties.nested());
        return options;
    }

    private String name(ChatClientRequest request) {
        ChatOptions options = request.prompt().getOptions();
        String model = options == null ? null : CyclesProperties.text(options.getModel());
        String name = CyclesProperties.text(properties.actionName());
        return name != null ? name : model != null ? model : "spring-ai-chat";
    }

    /** Where the model does not say what it used, the estimate is committed, and marked. */
    private Amount actual(ChatClientResponse response) {
        Amount actual = price.actual(response);
        if (actual == null) {
            throw new NoSuchElementException("the model does not say what it used");
        }
        return actual;
    }

    private static ChatClientRequest capped(ChatClientRequest request, CyclesContext context) {
        Caps caps = context.getCaps();
        Long cap = caps == null ? null : caps.getMaxTokens();
        if (cap == null) {
            return request;
        }
        Prompt prompt = request.prompt();
        ChatOptions options = prompt.getOptions() == null ? ChatOptions.builder().build() : prompt.getOptions();
        Integer limit = options.getMaxTokens();
        if (limit != null && limit <= cap) {
            return request;
        }
        int lower = (int) Math.min(cap, Integer.MAX_VALUE);
        ChatOptions lowered = options.mutate().maxTokens(lower).build();
        return request.mutate().prompt(prompt.mutate().chatOptions(lowered).build()).build();
    }
}
