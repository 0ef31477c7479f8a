package dev.runcycles.spring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.runcycles.Amount;
import dev.runcycles.BudgetExceededError;
import dev.runcycles.CyclesContext;
import dev.runcycles.CyclesMetrics;
import dev.runcycles.CyclesValidationError;
import dev.runcycles.Decision;
import dev.runcycles.DryRunResult;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

class AnnotationTest {
    private final Fixture fixture = new Fixture();

    @AfterEach
    void stop() {
        fixture.close();
    }

    /** What a model answers. */
    public record Reply(String text, int tokens) {}

    /** What is asked of one. */
    public record Request(String text, int dollars, String workspace) {}

    public static class Service {
        private final AtomicInteger calls = new AtomicInteger();
        private CyclesContext seen;

        // The fields of a proxy are not its bean's.
        public int calls() {
            return calls.get();
        }

        public CyclesContext seen() {
            return seen;
        }

        @Cycles(value = "100", unit = "TOKENS")
        public String estimated() {
            calls.incrementAndGet();
            seen = CyclesContextHolder.get();
            return "done";
        }

        @Cycles(estimate = "#tokens * 2", actual = "#result.tokens", unit = "tokens")
        public Reply measured(String prompt, int tokens) {
            return new Reply("an answer to " + prompt, 42);
        }

        @Cycles(value = "600", unit = "TOKENS")
        public void large() {
            calls.incrementAndGet();
        }

        @Cycles(value = "100", unit = "TOKENS")
        public String failing() throws IOException {
            throw new IOException("boom");
        }

        @Cycles(value = "100", actual = "#result.nothing", unit = "TOKENS")
        public String unmeasurable() {
            return "done";
        }

        @Cycles(
                value = "#request.dollars * 100000000 - #p0.dollars * 99999999",
                workspace = "#request?.workspace",
                agent = "writer",
                dimensions = {"cost_center=r&d", "query = a=b"},
                actionKind = "llm.completion",
                actionName = "gpt-4o",
                actionTags = {"prod", "eu"})
        public String wide(Request request) {
            return "done";
        }

        @Cycles(
                value = "10",
                unit = "TOKENS",
                metadata = "{'request': #id, 'size': #result.length(), 'bean': #root.target.name, 'source': 'annotation'}")
        public String described(String id) {
            CyclesContextHolder.get().setCommitMetadata(Map.of("source", "code"));
            CyclesContextHolder.get().setMetrics(new CyclesMetrics(12L));
            return "four";
        }

        @Cycles(value = "10", unit = "TOKENS", metadata = "#result.nothing")
        public String undescribed() {
            return "done";
        }

        public String getName() {
            return "service";
        }

        @Cycles(value = "@price.of(#args[0])", unit = "TOKENS")
        public void priced(int pieces) {}

        @Cycles(value = "perPiece * #pieces + fee(1)", actual = "perPiece * 100000000 * 2 / 100000000", unit = "TOKENS")
        public void own(int pieces) {}

        public int getPerPiece() {
            return 20;
        }

        public int fee(int calls) {
            return calls * 3;
        }

        @Cycles(value = "100.2", unit = "TOKENS", ttlMs = 5000, gracePeriodMs = 100, overagePolicy = "ALLOW_IF_AVAILABLE")
        public void leased() {}

        @Cycles(value = "-5", unit = "TOKENS")
        public void negative() {
            calls.incrementAndGet();
        }

        @Cycles("'ten'")
        public void text() {
            calls.incrementAndGet();
        }

        @Cycles(value = "5", unit = "TOKENS", dryRun = true)
        public Object dry() {
            return calls.incrementAndGet();
        }

        @Cycles(value = "5000", unit = "TOKENS", dryRun = true)
        public DryRunResult dryDenied() {
            calls.incrementAndGet();
            return null;
        }

        @Cycles(value = "5", unit = "TOKENS")
        public Object deferred() {
            return new java.util.concurrent.CompletableFuture<String>();
        }
    }

    /** Costs what SpEL asks it. */
    public static class Price {
        public Amount of(long pieces) {
            return Amount.tokens(pieces * 7);
        }
    }

    @Configuration
    static class Beans {
        @Bean
        Service service() {
            return new Service();
        }

        @Bean
        Price price() {
            return new Price();
        }
    }

    @Test
    void commitsTheEstimate() {
        fixture.application(Beans.class).run(application -> {
            Service service = application.getBean(Service.class);
            assertThat(service.estimated()).isEqualTo("done");
            assertThat(fixture.tokens().getSpent()).isEqualTo(100);
            assertThat(fixture.tokens().getReserved()).isZero();
            assertThat(CyclesContextHolder.get()).isNull();
            Map<String, Object> reservation = fixture.reservation(application);
            assertThat(reservation).containsEntry("status", "COMMITTED");
            assertThat(reservation.get("action")).isEqualTo(Map.of("kind", "Service", "name", "estimated"));
            assertThat(reservation).containsEntry("reservation_id", service.seen().getReservationId());
        });
    }

    @Test
    void commitsTheActual() {
        fixture.application(Beans.class).run(application -> {
            assertThat(application.getBean(Service.class).measured("hello", 100).tokens()).isEqualTo(42);
            assertThat(fixture.tokens().getSpent()).isEqualTo(42);
            assertThat(fixture.reservation(application).get("reserved")).isEqualTo(Map.of("unit", "TOKENS", "amount", 200L));
        });
    }

    @Test
    void aDenialKeepsTheMethodFromRunning() {
        fixture.application(Beans.class).run(application -> {
            Service service = application.getBean(Service.class);
            service.large();
            assertThatThrownBy(service::large)
                    .isInstanceOfSatisfying(BudgetExceededError.class, denied -> {
                        assertThat(denied.getCode()).isEqualTo("BUDGET_EXCEEDED");
                        assertThat(denied.getStatus()).isEqualTo(409);
                    });
            assertThat(service.calls()).isEqualTo(1);
        });
    }

    @Test
    void anExceptionReleasesAndComesOutAsItIs() {
        fixture.application(Beans.class).run(application -> {
            assertThatThrownBy(application.getBean(Service.class)::failing).isExactlyInstanceOf(IOException.class).hasMessage("boom");
            assertThat(fixture.tokens().getRemaining()).isEqualTo(1000);
            assertThat(fixture.server.count("release")).isEqualTo(1);
        });
    }

    @Test
    void anActualThatFailsCommitsTheEstimateAndSaysSo() {
        fixture.application(Beans.class).run(application -> {
            assertThat(application.getBean(Service.class).unmeasurable()).isEqualTo("done");
            assertThat(fixture.tokens().getSpent()).isEqualTo(100);
            assertThat(fixture.reservation(application).toString()).contains("actual_source=estimate");
        });
    }

    @Test
    void productsOfIntegersDoNotOverflow() {
        fixture.application(Beans.class).run(application -> {
            // 40 dollars in microcents do not fit into 32 bits; the difference does.
            application.getBean(Service.class).wide(new Request("hello", 40, "research"));
            Map<String, Object> reservation = fixture.reservation(application);
            assertThat(reservation.get("reserved")).isEqualTo(Map.of("unit", "USD_MICROCENTS", "amount", 40L));
            assertThat(reservation.get("subject")).isEqualTo(Map.of(
                    "tenant", "acme",
                    "workspace", "research",
                    "agent", "writer",
                    "dimensions", Map.of("cost_center", "r&d", "query", "a=b")));
            assertThat(reservation.get("action"))
                    .isEqualTo(Map.of("kind", "llm.completion", "name", "gpt-4o", "tags", List.of("prod", "eu")));
        });
    }

    @Test
    void metadataAndMetricsGoWithTheCommit() {
        fixture.application(Beans.class).run(application -> {
            application.getBean(Service.class).described("r-1");
            assertThat(fixture.reservation(application).get("committed_metadata"))
                    .isEqualTo(Map.of("request", "r-1", "size", 4L, "bean", "service", "source", "code"));
        });
    }

    @Test
    void metadataThatFailAreLeftOut() {
        fixture.application(Beans.class).run(application -> {
            assertThat(application.getBean(Service.class).undescribed()).isEqualTo("done");
            assertThat(fixture.tokens().getSpent()).isEqualTo(10);
        });
    }

    @Test
    void beansSayAmounts() {
        fixture.application(Beans.class).run(application -> {
            application.getBean(Service.class).priced(3);
            assertThat(fixture.tokens().getSpent()).isEqualTo(21);
        });
    }

    @Test
    void theBeanIsWhatExpressionsStartFrom() {
        fixture.application(Beans.class).run(application -> {
            application.getBean(Service.class).own(2);
            assertThat(fixture.reservation(application).get("reserved")).isEqualTo(Map.of("unit", "TOKENS", "amount", 43L));
            assertThat(fixture.tokens().getSpent()).isEqualTo(40);
        });
    }

    @Test
    void fractionsAreRoundedUpAndTheLeaseIsSent() {
        fixture.application(Beans.class).run(application -> {
            application.getBean(Service.class).leased();
            assertThat(fixture.tokens().getSpent()).isEqualTo(101);
            Map<String, Object> reservation = fixture.reservation(application);
            long created = (Long) reservation.get("created_at_ms");
            assertThat(reservation).containsEntry("expires_at_ms", created + 5000);
        });
    }

    @Test
    void estimatesThatAreNoAmountsAreRefused() {
        fixture.application(Beans.class).run(application -> {
            Service service = application.getBean(Service.class);
            assertThatThrownBy(service::negative).isInstanceOf(CyclesValidationError.class);
            assertThatThrownBy(service::text)
                    .isInstanceOf(CyclesValidationError.class)
                    .hasMessageContaining("estimate=")
                    .hasMessageContaining("Service.text");
            assertThat(service.calls()).isEqualTo(0);
        });
    }

    @Test
    void aDryRunAsksOnly() {
        fixture.application(Beans.class).run(application -> {
            Service service = application.getBean(Service.class);
            assertThat(service.dry())
                    .isInstanceOfSatisfying(DryRunResult.class, result -> assertThat(result.getDecision()).isEqualTo(Decision.ALLOW));
            assertThat(service.dryDenied().getDecision()).isEqualTo(Decision.DENY);
            assertThat(service.calls()).isEqualTo(0);
            assertThat(fixture.tokens().getRemaining()).isEqualTo(1000);
        });
    }

    @Test
    void aResultThatGoesOnIsNotCommittedEarly() {
        fixture.application(Beans.class).run(application -> {
            assertThatThrownBy(application.getBean(Service.class)::deferred)
                    .isInstanceOf(CyclesValidationError.class)
                    .hasMessageContaining("Service.deferred");
            assertThat(fixture.server.count("commit")).isZero();
            assertThat(fixture.tokens().getRemaining()).isEqualTo(1000);
        });
    }
}
