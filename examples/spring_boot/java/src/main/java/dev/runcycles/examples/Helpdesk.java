package dev.runcycles.examples;

import dev.runcycles.CyclesMetrics;
import dev.runcycles.spring.Cycles;
import dev.runcycles.spring.CyclesContextHolder;
import org.springframework.stereotype.Service;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

/** Answers questions, each within a budget. */
@Service
class Helpdesk {
    /** What a model answers, and what that cost. */
    record Reply(String text, long tokens) {}

    @Cycles(value = "#limit", actual = "#result.tokens", unit = "TOKENS", actionKind = "llm.completion")
    Reply answer(String question, int limit) {
        Reply reply = complete(question);
        CyclesContextHolder.get().setMetrics(new CyclesMetrics((long) question.length(), reply.tokens()));
        return reply;
    }

    @Cycles(value = "300", actual = "#result.tokens", unit = "TOKENS")
    Mono<Reply> answerLater(String question) {
        return Mono.fromCallable(() -> complete(question));
    }

    @Cycles(value = "300", actual = "#result.length()", unit = "TOKENS")
    Flux<String> stream(String question) {
        return Flux.just("an ", "answer ", "to ", question);
    }

    private Reply complete(String question) {
        return new Reply("an answer to " + question, 420); // your model call
    }
}
