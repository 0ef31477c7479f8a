package dev.runcycles.spring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.runcycles.BudgetExceededError;
import dev.runcycles.DryRunResult;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The starter before this one committed as soon as the method returned. */
class StageTest {
    private final Fixture fixture = new Fixture();

    @AfterEach
    void stop() {
        fixture.close();
    }

    public static class Service {
        private final CompletableFuture<String> work = new CompletableFuture<>();
        private Thread thread;
        private String reservation;
        private int calls;

        @Cycles(value = "100", actual = "#result.length()", unit = "TOKENS", metadata = "{'result': #result}")
        public CompletableFuture<String> answer() {
            calls++;
            thread = Thread.currentThread();
            reservation = CyclesContextHolder.get().getReservationId();
            return work;
        }

        @Cycles(value = "600", unit = "TOKENS")
        public CompletionStage<String> large() {
            calls++;
            return work;
        }

        @Cycles(value = "100", unit = "TOKENS")
        public CompletableFuture<String> failing() {
            throw new IllegalStateException("boom");
        }

        @Cycles(value = "100", unit = "TOKENS")
        public CompletableFuture<String> nothing() {
            return null;
        }

        @Cycles(value = "100", unit = "TOKENS", dryRun = true)
        public CompletableFuture<DryRunResult> dry() {
            calls++;
            return null;
        }

        @Cycles(value = "1", unit = "TOKENS")
        public CompletableFuture<Integer> next(int step) {
            return CompletableFuture.supplyAsync(() -> step + 1);
        }

        public CompletableFuture<String> work() {
            return work;
        }

        public Thread thread() {
            return thread;
        }

        public String reservation() {
            return reservation;
        }

        public int calls() {
            return calls;
        }
    }

    @Test
    void commitsWhenTheStageCompletes() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            CompletableFuture<String> answer = service.answer();
            assertThat(service.thread()).isSameAs(Thread.currentThread());
            assertThat(answer).isNotDone();
            assertThat(fixture.server.count("commit")).isZero();
            assertThat(fixture.tokens().getReserved()).isEqualTo(100);
            assertThat(CyclesContextHolder.get()).isNull();

            service.work().complete("hello");
            assertThat(answer.join()).isEqualTo("hello");
            assertThat(fixture.tokens().getSpent()).isEqualTo(5);
            assertThat(fixture.reservation(application))
                    .containsEntry("reservation_id", service.reservation())
                    .extractingByKey("committed_metadata").hasToString("{result=hello}");
        });
    }

    @Test
    void aLeaseIsKeptWhileTheStageIsOpen() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            CompletableFuture<String> answer = service.answer();
            // Due a minute less the time of two attempts after it was made.
            fixture.clock.advance(56_000);
            fixture.server.waitForBlocking("extend", 1);
            service.work().complete("hello");
            answer.join();
            assertThat(fixture.tokens().getSpent()).isEqualTo(5);
        });
    }

    @Test
    void releasesWhenTheStageFails() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            CompletableFuture<String> answer = service.answer();
            service.work().completeExceptionally(new CompletionException(new IOException("boom")));
            assertThatThrownBy(answer::join).hasRootCauseInstanceOf(IOException.class);
            assertThat(fixture.tokens().getRemaining()).isEqualTo(1000);
            assertThat(fixture.server.count("release")).isEqualTo(1);
        });
    }

    @Test
    void releasesWhenTheCallerCancels() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            service.answer().cancel(true);
            fixture.server.waitForBlocking("release", 1);
            assertThat(fixture.tokens().getRemaining()).isEqualTo(1000);
            // The cancellation reaches the method's own future beside the release.
            assertThatThrownBy(service.work()::join).isInstanceOf(CancellationException.class);
        });
    }

    @Test
    void aDenialIsAFutureThatFails() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            CompletionStage<String> first = service.large();
            CompletionStage<String> second = service.large();
            assertThatThrownBy(second.toCompletableFuture()::join).hasCauseInstanceOf(BudgetExceededError.class);
            assertThat(service.calls()).isEqualTo(1);
            service.work().complete("done");
            first.toCompletableFuture().join();
        });
    }

    @Test
    void whatTheMethodThrowsReleases() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            assertThatThrownBy(service.failing()::join).hasRootCauseInstanceOf(IllegalStateException.class);
            assertThatThrownBy(service.nothing()::join).hasRootCauseInstanceOf(NullPointerException.class);
            assertThat(fixture.tokens().getRemaining()).isEqualTo(1000);
        });
    }

    @Test
    void callsThatFollowOneAnotherDoNotStarve() {
        fixture.application(Service.class).run(application -> {
            Service service = application.getBean(Service.class);
            // Each further call waits for its reservation on the thread that completed the one before.
            List<CompletableFuture<Integer>> chains = IntStream.range(0, 64)
                    .mapToObj(chain -> service.next(0).thenCompose(service::next).thenCompose(service::next))
                    .toList();
            assertThat(chains).allSatisfy(chain -> assertThat(chain.get(30, TimeUnit.SECONDS)).isEqualTo(3));
            assertThat(fixture.tokens().getSpent()).isEqualTo(192);
        });
    }

    @Test
    void aDryRunAnswersInTheStage() {
        fixture.application(Service.class).run(application -> {
            assertThat(application.getBean(Service.class).dry().join()).isInstanceOf(DryRunResult.class);
            assertThat(application.getBean(Service.class).calls()).isZero();
        });
    }
}
