package dev.runcycles.spring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.runcycles.CyclesContext;
import dev.runcycles.CyclesValidationError;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import reactor.core.publisher.Mono;
import reactor.test.StepVerifier;

class NestedTest {
    private final Fixture fixture = new Fixture();

    @AfterEach
    void stop() {
        fixture.close();
    }

    public static class Outer {
        private final Inner inner;

        public Outer(Inner inner) {
            this.inner = inner;
        }

        @Cycles(value = "100", unit = "TOKENS")
        public String run() {
            String own = CyclesContextHolder.get().getReservationId();
            inner.run();
            assertThat(CyclesContextHolder.get().getReservationId()).isEqualTo(own);
            return own;
        }

        @Cycles(value = "100", unit = "TOKENS")
        public Mono<String> later() {
            return Mono.defer(inner::later);
        }

        @Cycles(value = "100", unit = "TOKENS", actual = "30")
        public void inherited() {
            inner.inheriting();
        }
    }

    public static class Inner {
        private CyclesContext seen;

        @Cycles(value = "10", unit = "TOKENS")
        public void run() {
            seen = CyclesContextHolder.get();
        }

        @Cycles(value = "10", unit = "TOKENS")
        public Mono<String> later() {
            return Mono.just("done");
        }

        @Cycles(value = "10", unit = "TOKENS", nested = "inherit")
        public void inheriting() {}

        public CyclesContext seen() {
            return seen;
        }
    }

    @Test
    void isRefusedUnlessSaidOtherwise() {
        fixture.application(Inner.class, Outer.class).run(application -> {
            assertThatThrownBy(application.getBean(Outer.class)::run)
                    .isInstanceOf(CyclesValidationError.class)
                    .hasMessageContaining("nested");
            assertThat(application.getBean(Inner.class).seen()).isNull();
            assertThat(fixture.server.count("create_reservation")).isEqualTo(1);
            assertThat(fixture.tokens().getRemaining()).isEqualTo(1000);
        });
    }

    @Test
    void isSeenAcrossSubscriptions() {
        fixture.application(Inner.class, Outer.class).run(application -> {
            StepVerifier.create(application.getBean(Outer.class).later()).verifyError(CyclesValidationError.class);
            assertThat(fixture.tokens().getRemaining()).isEqualTo(1000);
        });
    }

    @Test
    void holdsBudgetOfItsOwn() {
        fixture.application(Inner.class, Outer.class).withPropertyValues("cycles.nested=own").run(application -> {
            String outer = application.getBean(Outer.class).run();
            assertThat(application.getBean(Inner.class).seen().getParentReservationId()).isEqualTo(outer);
            assertThat(fixture.tokens().getSpent()).isEqualTo(110);
        });
    }

    @Test
    void inheritsTheOuterHold() {
        fixture.application(Inner.class, Outer.class).run(application -> {
            application.getBean(Outer.class).inherited();
            assertThat(fixture.server.count("create_reservation")).isEqualTo(1);
            assertThat(fixture.tokens().getSpent()).isEqualTo(40);
        });
    }
}
