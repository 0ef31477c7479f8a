package dev.runcycles.spring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.runcycles.Amount;
import dev.runcycles.BudgetExceededError;
import dev.runcycles.CyclesClient;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.client.ChatClientRequest;
import org.springframework.ai.chat.client.ChatClientResponse;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.metadata.ChatResponseMetadata;
import org.springframework.ai.chat.metadata.DefaultUsage;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.model.Generation;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.model.chat.client.autoconfigure.ChatClientAutoConfiguration;
import org.springframework.ai.model.tool.ToolCallingChatOptions;
import org.springframework.ai.tool.annotation.Tool;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import reactor.core.publisher.Flux;
import reactor.test.StepVerifier;

/** Chat clients of Spring AI's own builder, over a model that is none. */
class ChatTest {
    private final Fixture fixture = new Fixture();
    private final StubModel model = new StubModel();

    @AfterEach
    void stop() {
        fixture.close();
    }

    /** Answers from memory, and keeps what it was asked. */
    private static final class StubModel implements ChatModel {
        private final List<Prompt> asked = new ArrayList<>();
        private Flux<ChatResponse> pieces = Flux.empty();
        private ChatResponse answer = response("hello", 30, 12);
        private ChatResponse first;

        @Override
        public ChatResponse call(Prompt prompt) {
            asked.add(prompt);
            if (first != null && asked.size() == 1) {
                return first;
            }
            if (answer == null) {
                throw new IllegalStateException("overloaded");
            }
            return answer;
        }

        /** Options of a model that knows of tools. */
        @Override
        public ChatOptions getOptions() {
            return ToolCallingChatOptions.builder().build();
        }

        @Override
        public Flux<ChatResponse> stream(Prompt prompt) {
            asked.add(prompt);
            return pieces;
        }
    }

    private static ChatResponse response(String text, int input, int output) {
        return new ChatResponse(List.of(new Generation(new AssistantMessage(text))), metadata(input, output));
    }

    private static ChatResponse asksForTheTime() {
        AssistantMessage message = AssistantMessage.builder()
                .content("")
                .toolCalls(List.of(new AssistantMessage.ToolCall("1", "function", "time", "{}")))
                .build();
        return new ChatResponse(List.of(new Generation(message)), metadata(20, 1));
    }

    private static ChatResponseMetadata metadata(int input, int output) {
        return ChatResponseMetadata.builder().model("stub-1").usage(new DefaultUsage(input, output)).build();
    }

    private ApplicationContextRunner tokens(Class<?>... beans) {
        return application(beans).withPropertyValues(
                "cycles.spring-ai.estimate-unit=TOKENS", "cycles.spring-ai.default-estimate=600");
    }

    private ApplicationContextRunner application(Class<?>... beans) {
        return fixture.application(beans)
                .withConfiguration(AutoConfigurations.of(ChatClientAutoConfiguration.class))
                .withBean(ChatModel.class, () -> model);
    }

    private static ChatClient client(org.springframework.context.ApplicationContext application) {
        return application.getBean(ChatClient.Builder.class).build();
    }

    @Test
    void aCallCommitsWhatTheModelSaysItUsed() {
        tokens().run(application -> {
            assertThat(client(application).prompt("hi").call().content()).isEqualTo("hello");
            assertThat(fixture.tokens().getSpent()).isEqualTo(42);
            Map<String, Object> reservation = fixture.reservation(application);
            assertThat(reservation.get("reserved")).isEqualTo(Map.of("unit", "TOKENS", "amount", 600L));
            assertThat(reservation.get("action")).isEqualTo(Map.of("kind", "llm.chat", "name", "spring-ai-chat"));
        });
    }

    @Test
    void aDenialKeepsTheModelFromBeingCalled() {
        tokens().withPropertyValues("cycles.spring-ai.default-estimate=1001").run(application -> {
            assertThatThrownBy(() -> client(application).prompt("hi").call().content())
                    .isInstanceOf(BudgetExceededError.class);
            StepVerifier.create(client(application).prompt("hi").stream().content())
                    .verifyError(BudgetExceededError.class);
            assertThat(model.asked).isEmpty();
        });
    }

    @Test
    void aModelThatFailsGivesEverythingBack() {
        model.answer = null;
        tokens().run(application -> {
            assertThatThrownBy(() -> client(application).prompt("hi").call().content())
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessage("overloaded");
            assertThat(fixture.tokens().getRemaining()).isEqualTo(1000);
        });
    }

    @Test
    void tokensHavePricesWithFractions() {
        application()
                .withPropertyValues(
                        "cycles.spring-ai.estimate-from-prompt=true",
                        "cycles.spring-ai.input-cost-per-token=7.5",
                        "cycles.spring-ai.output-cost-per-token=100")
                .run(application -> {
                    ChatOptions.Builder<?> options = ChatOptions.builder().model("gpt-4o").maxTokens(50);
                    client(application).prompt("12345678").options(options).call().content();
                    // 30 * 7.5 + 12 * 100; reserved 2 * 7.5 + 50 * 100.
                    assertThat(fixture.money().getSpent()).isEqualTo(1425);
                    Map<String, Object> reservation = fixture.reservation(application);
                    assertThat(reservation.get("reserved")).isEqualTo(Map.of("unit", "USD_MICROCENTS", "amount", 5015L));
                    assertThat(reservation.get("action")).hasToString("{kind=llm.chat, name=gpt-4o}");
                });
    }

    @Test
    void aModelThatSaysNothingCommitsTheEstimate() {
        model.answer = response("hello", 0, 0);
        tokens().run(application -> {
            client(application).prompt("hi").call().content();
            assertThat(fixture.tokens().getSpent()).isEqualTo(600);
            assertThat(fixture.reservation(application).toString()).contains("actual_source=estimate");
        });
    }

    @Test
    void aStreamCommitsTheLastOfItsUsageWhenItEnds() {
        model.pieces = Flux.just(response("he", 30, 1), response("ll", 30, 2), response("o", 0, 0));
        tokens().run(application -> {
            StepVerifier.create(client(application).prompt("hi").stream().content(), 1)
                    .expectNext("he")
                    .then(() -> assertThat(fixture.server.count("commit")).isZero())
                    .thenRequest(2)
                    .expectNext("ll", "o")
                    .verifyComplete();
            assertThat(fixture.tokens().getSpent()).isEqualTo(32);
        });
    }

    @Test
    void aStreamIsCutWhereItsHoldIsUsedUp() {
        // Four characters a token: the prompt is one, and each piece two, until the model says otherwise.
        model.pieces = Flux.just(response("12345678", 0, 0), response("12345678", 0, 0), response("too much", 9, 9));
        tokens().withPropertyValues("cycles.spring-ai.default-estimate=5", "cycles.spring-ai.on-limit=cut").run(application -> {
            StepVerifier.create(client(application).prompt("hi").stream().content())
                    .expectNext("12345678", "12345678")
                    .verifyComplete();
            assertThat(fixture.tokens().getSpent()).isEqualTo(5);
            assertThat(fixture.reservation(application).toString()).contains("actual_source=estimate");
        });
    }

    @Test
    void aStreamTakesFurtherHolds() {
        model.pieces = Flux.just(response("12345678", 0, 0), response("12345678", 0, 0), response("the end", 30, 40));
        tokens().withPropertyValues("cycles.spring-ai.default-estimate=5", "cycles.spring-ai.on-limit=extend").run(application -> {
            StepVerifier.create(client(application).prompt("hi").stream().content())
                    .expectNext("12345678", "12345678", "the end")
                    .verifyComplete();
            assertThat(fixture.tokens().getSpent()).isEqualTo(70);
            assertThat(fixture.tokens().getReserved()).isZero();
        });
    }

    @Test
    void aStreamThatIsCancelledCommitsWhatFlowed() {
        model.pieces = Flux.concat(Flux.just(response("he", 30, 1)), Flux.never());
        tokens().run(application -> {
            StepVerifier.create(client(application).prompt("hi").stream().content())
                    .expectNext("he")
                    .thenCancel()
                    .verify();
            fixture.server.waitForBlocking("commit", 1);
            assertThat(fixture.tokens().getSpent()).isEqualTo(31);
            assertThat(fixture.tokens().getReserved()).isZero();
        });
    }

    @Test
    void aStreamOfUnknownUsageThatIsCancelledCommitsTheEstimate() {
        model.pieces = Flux.concat(Flux.just(response("he", 0, 0)), Flux.never());
        tokens().run(application -> {
            StepVerifier.create(client(application).prompt("hi").stream().content())
                    .expectNext("he")
                    .thenCancel()
                    .verify();
            fixture.server.waitForBlocking("commit", 1);
            assertThat(fixture.tokens().getSpent()).isEqualTo(600);
        });
    }

    @Test
    void aStreamThatFailsBeforeItsFirstPieceIsReleased() {
        model.pieces = Flux.error(new IllegalStateException("overloaded"));
        tokens().run(application -> {
            StepVerifier.create(client(application).prompt("hi").stream().content()).verifyError();
            assertThat(fixture.server.count("release")).isEqualTo(1);
            assertThat(fixture.tokens().getRemaining()).isEqualTo(1000);
        });
    }

    /** A guarded method that asks a model. */
    public static class Agent {
        private final ChatClient client;

        public Agent(ChatClient.Builder builder) {
            this.client = builder.build();
        }

        @Cycles(value = "700", actual = "8", unit = "TOKENS")
        public String answer() {
            return client.prompt("hi").call().content();
        }
    }

    @Test
    void aModelCallInsideAGuardedMethodDrawsFromItsHold() {
        tokens(Agent.class).run(application -> {
            assertThat(application.getBean(Agent.class).answer()).isEqualTo("hello");
            assertThat(fixture.server.count("create_reservation")).isEqualTo(1);
            assertThat(fixture.tokens().getSpent()).isEqualTo(50);
        });
    }

    /** A tool that a model may ask for. */
    public static class Clock {
        private int calls;

        @Tool(description = "what time it is")
        public String time() {
            calls++;
            return "noon";
        }
    }

    @Test
    void eachModelCallOfAToolLoopIsGuarded() {
        model.first = asksForTheTime();
        Clock clock = new Clock();
        tokens().withPropertyValues("cycles.spring-ai.default-estimate=100").run(application -> {
            assertThat(client(application).prompt("when?").tools(clock).call().content()).isEqualTo("hello");
            assertThat(clock.calls).isEqualTo(1);
            assertThat(model.asked).hasSize(2);
            assertThat(fixture.server.count("create_reservation")).isEqualTo(2);
            assertThat(fixture.tokens().getSpent()).isEqualTo(63);
        });
    }

    /** A tool that costs something itself. */
    public static class Search {
        @Tool(description = "what time it is")
        @Cycles(value = "5", unit = "TOKENS", actionKind = "tool.search")
        public String time() {
            return "noon";
        }
    }

    @Test
    void aToolIsGuardedAsAnyBean() {
        model.first = asksForTheTime();
        tokens(Search.class).withPropertyValues("cycles.spring-ai.default-estimate=100").run(application -> {
            Search search = application.getBean(Search.class);
            assertThat(client(application).prompt("when?").tools(search).call().content()).isEqualTo("hello");
            assertThat(fixture.server.count("create_reservation")).isEqualTo(3);
            assertThat(fixture.tokens().getSpent()).isEqualTo(68);
        });
    }

    @Test
    void aCapOnTokensLowersTheLimit() {
        String seed = Fixture.SEED + """
            policies:
              - {name: careful, scope_pattern: "tenant:acme", caps: {max_tokens: 64}}
            """;
        CyclesClient capped = CyclesClient.embedded(seed);
        new ApplicationContextRunner()
                .withConfiguration(AutoConfigurations.of(
                        CyclesAutoConfiguration.class,
                        CyclesChatAutoConfiguration.class,
                        ChatClientAutoConfiguration.class))
                .withBean(ChatModel.class, () -> model)
                .withBean(CyclesClient.class, () -> capped)
                .withPropertyValues("cycles.tenant=acme")
                .run(application -> {
                    client(application).prompt("hi").call().content();
                    client(application).prompt("hi").options(ChatOptions.builder().maxTokens(16)).call().content();
                    client(application).prompt("hi").options(ChatOptions.builder().maxTokens(999)).call().content();
                    assertThat(model.asked).map(prompt -> prompt.getOptions().getMaxTokens()).containsExactly(64, 16, 64);
                });
    }

    @Test
    void thePriceIsTheApplicationsToSay() {
        tokens().withBean(CyclesChatPrice.class, () -> new CyclesChatPrice() {
                    @Override
                    public Amount estimate(ChatClientRequest request) {
                        return Amount.tokens(request.prompt().getContents().length());
                    }

                    @Override
                    public Amount actual(ChatClientResponse response) {
                        return Amount.tokens(1);
                    }
                })
                .run(application -> {
                    client(application).prompt("hi").call().content();
                    assertThat(fixture.tokens().getSpent()).isEqualTo(1);
                });
    }

    @Test
    void aPriceThatFailsCostsNeitherTheAnswerNorTheStream() {
        model.pieces = Flux.just(response("he", 30, 1), response("llo", 30, 2));
        tokens().withBean(CyclesChatPrice.class, () -> new CyclesChatPrice() {
                    @Override
                    public Amount estimate(ChatClientRequest request) {
                        return Amount.tokens(100);
                    }

                    @Override
                    public Amount actual(ChatClientResponse response) {
                        throw new IllegalStateException("no such model");
                    }
                })
                .run(application -> {
                    assertThat(client(application).prompt("hi").call().content()).isEqualTo("hello");
                    StepVerifier.create(client(application).prompt("hi").stream().content())
                            .expectNext("he", "llo")
                            .verifyComplete();
                    assertThat(fixture.tokens().getSpent()).isEqualTo(200);
                });
    }

    @Test
    void canBeSwitchedOff() {
        tokens().withPropertyValues("cycles.spring-ai.enabled=false").run(application -> {
            assertThat(client(application).prompt("hi").call().content()).isEqualTo("hello");
            assertThat(fixture.server.count("create_reservation")).isZero();
        });
    }
}
