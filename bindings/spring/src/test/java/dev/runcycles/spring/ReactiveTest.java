package dev.runcycles.spring;

import static org.assertj.core.api.Assertions.assertThat;

import dev.runcycles.BudgetExceededError;
import dev.runcycles.CyclesClient;
import dev.runcycles.CyclesConfig;
import dev.runcycles.CyclesContext;
import dev.runcycles.DryRunResult;
import dev.runcycles.ReservationExpiredError;
import dev.runcycles.testing.FaultKind;
import dev.runcycles.testing.Transport;
import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.publisher.Sinks;
import reactor.test.StepVerifier;

class ReactiveTest {
    private final Fixture fixture = new Fixture();

    @AfterEach
    void stop() {
        fixture.close();
    }

    public static class Service {
        private final Sinks.One<String> answer = Sinks.one();
        private final Sinks.Many<String> pieces = Sinks.many().unicast().onBackpressureBuffer();
        private final AtomicInteger calls = new AtomicInteger();
        private final CountDownLatch started = new CountDownLatch(1);
        private final Sinks.One<String> cancelled = Sinks.one();

        @Cycles(value = "100", actual = "#result.length()", unit = "TOKENS")
        public Mono<String> mono() {
            calls.incrementAndGet();
            return answer.asMono();
        }

        @Cycles(value = "100", unit = "TOKENS", ttlMs = 5_000)
        public Mono<String> leased() {
            started.countDown();
            return Mono.never();
        }

        @Cycles(value = "100", unit = "TOKENS")
        public Mono<String> empty() {
            return Mono.empty();
        }

        @Cycles(value = "600", unit = "TOKENS")
        public Mono<String> large() {
            calls.incrementAndGet();
            return answer.asMono();
        }

        @Cycles(value = "10", unit = "TOKENS")
        public Mono<Boolean> context() {
            String called = CyclesContextHolder.get().getReservationId();
            return Mono.deferContextual(view -> Mono.delay(Duration.ofMillis(1))
                    .map(tick -> called.equals(view.get(CyclesContext.class).getReservationId())
                            && "yes".equals(view.get("caller"))));
        }

        @Cycles(value = "5", unit = "TOKENS", dryRun = true)
        public Mono<DryRunResult> dry() {
            calls.incrementAndGet();
            return Mono.empty();
        }

        @Cycles(value = "100", actual = "#result.length()", unit = "TOKENS", metadata = "{'last': #result}")
        public Flux<String> flux() {
            calls.incrementAndGet();
            return pieces.asFlux();
        }

        @Cycles(value = "10", actual = "#result.length()", unit = "TOKENS", onLimit = "cut", ttlMs = 5_000)
        public Flux<String> cut() {
            return pieces.asFlux().doOnCancel(() -> cancelled.tryEmitValue("cancelled"));
        }

        @Cycles(value = "400", actual = "#result.length()", unit = "TOKENS", onLimit = "extend")
        public Flux<String> extended() {
            return pieces.asFlux();
        }

        @Cycles(value = "100", unit = "TOKENS")
        public Flux<String> unmeasured() {
            return pieces.asFlux();
        }

        @Cycles(value = "100", actual = "#result.nothing", unit = "TOKENS")
        public Flux<String> unmeasurable() {
            return Flux.just("a", "b");
        }

        @Cycles(value = "100", unit = "TOKENS")
        public Flux<String> throwing() throws IOException {
            throw new IOException("boom");
        }

        public Mono<String> cancelled() {
            return cancelled.asMono();
        }

        public Sinks.One<String> answer() {
            return answer;
        }

        public Sinks.Many<String> pieces() {
            return pieces;
        }

        public void awaitStart() {
            try {
                started.await();
            } catch (InterruptedException error) {
                throw new AssertionError(error);
            }
        }

        public int calls() {
            return calls.get();
        }
    }

    @Test
    void aMonoIsCommittedWhenItCompletes() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            Mono<String> mono = service.mono();
            assertThat(service.calls()).isZero();
            assertThat(fixture.server.count("create_reservation")).isZero();

            StepVerifier.create(mono)
                    .then(() -> {
                        fixture.server.waitForBlocking("create_reservation", 1);
                        assertThat(fixture.tokens().getReserved()).isEqualTo(100);
                        assertThat(fixture.server.count("commit")).isZero();
                        service.answer().tryEmitValue("hello");
                    })
                    .expectNext("hello")
                    .verifyComplete();
            assertThat(fixture.tokens().getSpent()).isEqualTo(5);
        });
    }

    @Test
    void everySubscriptionIsACallOfItsOwn() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            service.answer().tryEmitValue("hello");
            Mono<String> mono = service.mono();
            mono.block();
            mono.repeat(1).blockLast();
            assertThat(service.calls()).isEqualTo(3);
            assertThat(fixture.tokens().getSpent()).isEqualTo(15);
        });
    }

    @Test
    void aDenialIsAnErrorAndTheMethodDoesNotRun() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            Mono<String> first = service.large();
            first.subscribe();
            fixture.server.waitForBlocking("create_reservation", 1);
            StepVerifier.create(service.large()).verifyError(BudgetExceededError.class);
            service.answer().tryEmitValue("done");
            fixture.server.waitForBlocking("commit", 1);
            assertThat(service.calls()).isEqualTo(1);
        });
    }

    @Test
    void anErrorReleases() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            service.answer().tryEmitError(new IOException("boom"));
            StepVerifier.create(service.mono()).verifyError(IOException.class);
            assertThat(fixture.tokens().getRemaining()).isEqualTo(1000);
            assertThat(fixture.server.count("release")).isEqualTo(1);
        });
    }

    @Test
    void aCancelledMonoIsReleased() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            StepVerifier.create(service.mono())
                    .then(() -> fixture.server.waitForBlocking("create_reservation", 1))
                    .thenCancel()
                    .verify();
            fixture.server.waitForBlocking("release", 1);
            assertThat(fixture.tokens().getRemaining()).isEqualTo(1000);
        });
    }

    @Test
    void aLostLeaseEndsAMonoWhereThePolicySaysSo() {
        cancelling().run(application -> {
            Service service = application.getBean(Service.class);
            StepVerifier.create(service.leased())
                    .then(() -> {
                        service.awaitStart();
                        fixture.clock.advance(2_000);
                    })
                    .verifyError(ReservationExpiredError.class);
            assertThat(fixture.server.count("commit")).isZero();
        });
    }

    @Test
    void anEmptyMonoCommitsItsEstimate() {
        fixture.application(Service.class).run(application -> {
            StepVerifier.create(application.getBean(Service.class).empty()).verifyComplete();
            assertThat(fixture.tokens().getSpent()).isEqualTo(100);
        });
    }

    @Test
    void theContextIsThereWhileTheMethodRunsAndInReactorsContext() {
        fixture.application(Service.class).run(application -> assertThat(
                        application.getBean(Service.class).context().contextWrite(view -> view.put("caller", "yes")).block())
                .isTrue());
    }

    @Test
    void aDryRunAnswersInTheMono() {
        fixture.application(Service.class).run(application -> {
            assertThat(application.getBean(Service.class).dry().block()).isInstanceOf(DryRunResult.class);
            assertThat(application.getBean(Service.class).calls()).isZero();
        });
    }

    @Test
    void aFluxIsCommittedWhenItEnds() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            StepVerifier.create(service.flux())
                    .then(() -> service.pieces().tryEmitNext("four"))
                    .expectNext("four")
                    .then(() -> {
                        assertThat(fixture.server.count("commit")).isZero();
                        service.pieces().tryEmitNext("seven77");
                        service.pieces().tryEmitComplete();
                    })
                    .expectNext("seven77")
                    .verifyComplete();
            assertThat(fixture.tokens().getSpent()).isEqualTo(11);
            assertThat(fixture.tokens().getReserved()).isZero();
            assertThat(fixture.reservation(application).get("committed_metadata")).hasToString("{last=seven77}");
        });
    }

    /** An application whose work ends with its lease. */
    private ApplicationContextRunner cancelling() {
        CyclesConfig config = new CyclesConfig();
        config.setHeartbeatPolicy("cancel");
        fixture.server.inject("extend", FaultKind.STATUS, 1, 0, 410, "RESERVATION_EXPIRED");
        return Fixture.bare()
                .withBean(CyclesClient.class, () -> fixture.server.client(null, Transport.HTTP, config))
                .withBean(Service.class);
    }

    @Test
    void aLostLeaseEndsAFluxThatWaitsWhereThePolicySaysSo() {
        cancelling().run(application -> {
            Service service = application.getBean(Service.class);
            StepVerifier.create(service.cut())
                    .then(() -> service.pieces().tryEmitNext("four"))
                    .expectNext("four")
                    .then(() -> fixture.clock.advance(2_000))
                    .verifyError(ReservationExpiredError.class);
            StepVerifier.create(service.cancelled()).expectNext("cancelled").verifyComplete();
            assertThat(fixture.tokens().getSpent()).isEqualTo(4);
        });
    }

    @Test
    void aFluxIsCutWhereItsHoldIsUsedUp() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            for (String piece : List.of("four", "seven77", "too much")) {
                service.pieces().tryEmitNext(piece);
            }
            StepVerifier.create(service.cut()).expectNext("four", "seven77").verifyComplete();
            assertThat(fixture.tokens().getSpent()).isEqualTo(11);
            assertThat(fixture.tokens().getReserved()).isZero();
        });
    }

    @Test
    void aFluxTakesFurtherHoldsAndEndsWithTheirRefusal() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            for (int piece = 0; piece < 3; piece++) {
                service.pieces().tryEmitNext("x".repeat(400));
            }
            StepVerifier.create(service.extended()).expectNextCount(2).verifyError(BudgetExceededError.class);
            assertThat(fixture.server.count("create_reservation")).isEqualTo(2);
            assertThat(fixture.tokens().getSpent()).isEqualTo(800);
        });
    }

    @Test
    void aFluxThatIsCancelledCommitsWhatFlowed() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            service.pieces().tryEmitNext("four");
            StepVerifier.create(service.flux().take(1)).expectNext("four").verifyComplete();
            fixture.server.waitForBlocking("commit", 1);
            assertThat(fixture.tokens().getSpent()).isEqualTo(4);
            assertThat(fixture.tokens().getReserved()).isZero();
        });
    }

    @Test
    void aFluxThatFailsCommitsWhatFlowed() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            service.pieces().tryEmitNext("four");
            service.pieces().tryEmitError(new IOException("boom"));
            StepVerifier.create(service.flux()).expectNext("four").verifyError(IOException.class);
            assertThat(fixture.tokens().getSpent()).isEqualTo(4);
        });
    }

    @Test
    void aFluxThatFailsBeforeItsFirstItemIsReleased() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            service.pieces().tryEmitError(new IOException("boom"));
            StepVerifier.create(service.flux()).verifyError(IOException.class);
            StepVerifier.create(service.unmeasured()).verifyError();
            assertThat(fixture.server.count("release")).isEqualTo(2);
            assertThat(fixture.tokens().getRemaining()).isEqualTo(1000);
        });
    }

    @Test
    void itemsOfUnknownCostCommitTheEstimateHoweverTheyEnd() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            service.pieces().tryEmitNext("four");
            StepVerifier.create(service.unmeasured().take(1)).expectNext("four").verifyComplete();
            fixture.server.waitForBlocking("commit", 1);
            assertThat(fixture.tokens().getSpent()).isEqualTo(100);
            assertThat(fixture.reservation(application).toString()).contains("actual_source=estimate");
        });
    }

    @Test
    void anActualThatFailsCommitsTheEstimate() {
        fixture.application(Service.class).run(application -> {
            StepVerifier.create(application.getBean(Service.class).unmeasurable()).expectNext("a", "b").verifyComplete();
            assertThat(fixture.tokens().getSpent()).isEqualTo(100);
            assertThat(fixture.reservation(application).toString()).contains("actual_source=estimate");
        });
    }

    @Test
    void whatTheMethodThrowsReleases() {
        fixture.application(Service.class).run(application -> {
            Flux<String> flux = application.getBean(Service.class).throwing();
            StepVerifier.create(flux).verifyError(IOException.class);
            assertThat(fixture.tokens().getRemaining()).isEqualTo(1000);
        });
    }
}
