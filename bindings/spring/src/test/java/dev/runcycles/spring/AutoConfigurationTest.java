package dev.runcycles.spring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.runcycles.BudgetExceededError;
import dev.runcycles.CyclesClient;
import dev.runcycles.CyclesConfig;
import dev.runcycles.CyclesConfigError;
import dev.runcycles.CyclesValidationError;
import dev.runcycles.Notification;
import dev.runcycles.NotificationListener;
import dev.runcycles.testing.TestServer;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.beans.factory.config.BeanPostProcessor;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.SpringBootConfiguration;
import org.springframework.boot.WebApplicationType;
import org.springframework.boot.autoconfigure.ImportAutoConfiguration;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.boot.test.context.runner.ApplicationContextRunner;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Lazy;
import org.springframework.core.PriorityOrdered;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;

@ExtendWith(OutputCaptureExtension.class)
class AutoConfigurationTest {
    private static final String SEED = "cycles.embedded.seed=classpath:budgets.yaml";

    public static class Service {
        @Cycles(value = "600", unit = "TOKENS")
        public void work() {}
    }

    @Test
    void reachesTheServerThatThePropertiesName() {
        try (TestServer server = new TestServer(Fixture.SEED)) {
            Fixture.bare()
                    .withUserConfiguration(Service.class)
                    .withPropertyValues(
                            "cycles.base-url=" + server.getBaseUrl(),
                            "cycles.api-key=" + server.apiKey(),
                            "cycles.tenant=acme",
                            "cycles.journal.enabled=false")
                    .run(application -> {
                        Service service = application.getBean(Service.class);
                        service.work();
                        assertThatThrownBy(service::work).isInstanceOf(BudgetExceededError.class);
                    });
        }
    }

    @Test
    void needsNoServerWithASeed() {
        Fixture.bare().withUserConfiguration(Service.class).withPropertyValues(SEED, "cycles.tenant=acme").run(application -> {
            Service service = application.getBean(Service.class);
            service.work();
            assertThatThrownBy(service::work).isInstanceOf(BudgetExceededError.class);
        });
    }

    @Test
    void bindsEveryProperty() {
        new ApplicationContextRunner()
                .withUserConfiguration(Properties.class)
                .withPropertyValues(
                        "cycles.base-url=http://budget", "cycles.api-key=secret-key", "cycles.tenant=t", "cycles.workspace=w",
                        "cycles.app=a", "cycles.workflow=f", "cycles.agent=g", "cycles.toolset=",
                        "cycles.http.connect-timeout=1s", "cycles.http.read-timeout=2500ms", "cycles.http.call-timeout=9s",
                        "cycles.retry.enabled=true", "cycles.retry.max-attempts=3", "cycles.retry.initial-delay=100ms",
                        "cycles.retry.multiplier=1.5", "cycles.retry.max-delay=4s", "cycles.journal.enabled=true",
                        "cycles.journal.dir=/journal", "cycles.journal.sync=process",
                        "cycles.circuit-breaker.failures=7", "cycles.circuit-breaker.cooldown=3s",
                        "cycles.settlement=background", "cycles.on-unreachable=allow", "cycles.heartbeat-policy=cancel",
                        "cycles.extend-timeout=700ms", "cycles.ca-file=/ca.pem")
                .run(application -> {
                    CyclesProperties properties = application.getBean(CyclesProperties.class);
                    assertThat(properties.toString()).doesNotContain("secret-key");
                    assertThat(properties.retry().flushTimeout()).hasSeconds(10);
                    CyclesConfig expected = new CyclesConfig("http://budget", "secret-key", "t", "w", "a", "f", "g", null);
                    expected.setConnectTimeoutMs(1000L);
                    expected.setReadTimeoutMs(2500L);
                    expected.setCallTimeoutMs(9000L);
                    expected.setRetryEnabled(true);
                    expected.setRetryMaxAttempts(3);
                    expected.setRetryInitialDelayMs(100L);
                    expected.setRetryMultiplier(1.5);
                    expected.setRetryMaxDelayMs(4000L);
                    expected.setJournalEnabled(true);
                    expected.setJournalDir("/journal");
                    expected.setJournalSync("process");
                    expected.setCircuitBreakerFailures(7);
                    expected.setCircuitBreakerCooldownMs(3000L);
                    expected.setSettlement("background");
                    expected.setOnUnreachable("allow");
                    expected.setHeartbeatPolicy("cancel");
                    expected.setExtendTimeoutMs(700L);
                    expected.setCaFile("/ca.pem");
                    assertThat(properties.toConfig()).isEqualTo(expected);
                });
    }

    @EnableConfigurationProperties(CyclesProperties.class)
    static class Properties {}

    @ParameterizedTest
    @ValueSource(strings = {"cycles.base-url=", "cycles.base-url=http://127.0.0.1:1"})
    void doesNotStartWithoutWhatItNeeds(String property) {
        Fixture.bare().withPropertyValues(property).run(application -> assertThat(application)
                .getFailure()
                .rootCause()
                .isInstanceOf(CyclesConfigError.class)
                .hasMessageContaining(property.endsWith("=") ? "cycles.base-url is not set" : "cycles.api-key is not set"));
    }

    @SpringBootConfiguration
    @ImportAutoConfiguration(CyclesAutoConfiguration.class)
    static class Application {}

    @Test
    void saysInTwoLinesWhyItDoesNotStart(CapturedOutput output) {
        SpringApplication application = new SpringApplication(Application.class);
        application.setWebApplicationType(WebApplicationType.NONE);
        assertThatThrownBy(() -> application.run("--logging.level.root=ERROR")).hasRootCauseInstanceOf(CyclesConfigError.class);
        assertThat(output.getAll())
                .containsSubsequence("Description:", "cycles.base-url is not set", "Action:", "Change what the description names")
                .doesNotContain("\tat ");
    }

    @Test
    void namesASeedThatCannotBeUsed() {
        Fixture.bare().withPropertyValues("cycles.embedded.seed=classpath:absent.yaml").run(application -> assertThat(application)
                .getFailure()
                .hasRootCauseInstanceOf(java.io.FileNotFoundException.class)
                .hasStackTraceContaining("cycles.embedded.seed cannot be read"));
    }

    @Configuration
    static class Seams {
        private final CyclesClient client = CyclesClient.embedded(Fixture.SEED);

        @Bean
        CyclesClient client() {
            return client;
        }

        @Bean
        NotificationListener listener() {
            return (Notification notification) -> {};
        }
    }

    @Test
    void beansOfTheApplicationComeFirst() {
        Fixture.bare().withUserConfiguration(Seams.class).run(application -> {
            assertThat(application).hasSingleBean(CyclesClient.class).hasSingleBean(NotificationListener.class);
            assertThat(application).getBean("client").isSameAs(application.getBean(CyclesClient.class));
        });
    }

    @Configuration
    static class Resolvers {
        @Bean("tenant")
        CyclesFieldResolver tenant() {
            return () -> "resolved";
        }

        @Bean("agent")
        CyclesFieldResolver agent() {
            return () -> "resolved";
        }

        @Bean("workflow")
        CyclesFieldResolver workflow() {
            return () -> " ";
        }
    }

    @Test
    void aResolverComesAfterTheConfigurationAndThatAfterTheCall() {
        Fixture.bare()
                .withUserConfiguration(Resolvers.class)
                .withPropertyValues(SEED, "cycles.tenant=acme", "cycles.workspace=configured")
                .run(application -> {
                    var subject = application.getBean(Subjects.class)
                            .subject(field -> field.equals("workspace") ? "said" : null, java.util.Map.of());
                    assertThat(subject.getTenant()).isEqualTo("acme");
                    assertThat(subject.getWorkspace()).isEqualTo("said");
                    assertThat(subject.getAgent()).isEqualTo("resolved");
                    assertThat(subject.getWorkflow()).isNull();
                });
    }

    @Test
    void aResolverOfNoFieldIsRefused() {
        Fixture.bare()
                .withBean("customer", CyclesFieldResolver.class, () -> () -> "x")
                .withPropertyValues(SEED)
                .run(application -> assertThat(application).getFailure().rootCause().hasMessageContaining("bean=customer"));
    }

    static class Misspelt {
        @Cycles(value = "1", unit = "EUROS")
        public void work() {}
    }

    static class Unparsable {
        @Cycles("#tokens *")
        public void work() {}
    }

    static class Unestimated {
        @Cycles
        public void work() {}
    }

    static class Unmeasured {
        @Cycles(value = "1", useEstimateIfActualNotProvided = false)
        public void work() {}
    }

    static class Unlabelled {
        @Cycles(value = "1", dimensions = "cost_center")
        public void work() {}
    }

    static class Untyped {
        @Cycles(value = "1", dryRun = true)
        public String work() {
            return "";
        }
    }

    static class Unending {
        @Cycles("1")
        public Future<String> work() {
            return null;
        }
    }

    static class Unlimited {
        @Cycles(value = "1", actual = "1", onLimit = "cut")
        public Mono<String> work() {
            return Mono.empty();
        }
    }

    static class Uncounted {
        @Cycles(value = "1", onLimit = "extend")
        public Flux<String> work() {
            return Flux.empty();
        }
    }

    static class Hidden {
        @Cycles("1")
        private void work() {}
    }

    static class Final {
        @Cycles("1")
        public final void work() {}
    }

    @ParameterizedTest
    @ValueSource(classes = {
        Misspelt.class, Unparsable.class, Unestimated.class, Unmeasured.class, Unlabelled.class, Untyped.class,
        Unending.class, Unlimited.class, Uncounted.class, Hidden.class, Final.class
    })
    void annotationsThatCannotBeUsedKeepTheApplicationFromStarting(Class<?> type) {
        Fixture.bare().withUserConfiguration(type).withPropertyValues(SEED).run(application -> assertThat(application)
                .getFailure()
                .isInstanceOf(CyclesValidationError.class)
                .hasMessageStartingWith("@Cycles of " + type.getSimpleName() + ".work: "));
    }

    @Configuration
    static class TooEarly {
        /** Made before whatever guards beans, and what it needs with it. */
        static class Processor implements BeanPostProcessor, PriorityOrdered {
            @Override
            public int getOrder() {
                return 0;
            }
        }

        @Bean
        static Processor processor(Service service) {
            return new Processor();
        }
    }

    @Test
    void aBeanThatIsNotGuardedKeepsTheApplicationFromStarting() {
        Fixture.bare()
                .withUserConfiguration(Service.class, TooEarly.class)
                .withPropertyValues(SEED)
                .run(application -> assertThat(application)
                        .getFailure()
                        .hasMessageContaining("was made before it could be guarded"));
    }

    static class CallsItself {
        public void entry() {
            Runnable inside = () -> work();
            inside.run();
        }

        @Cycles("1")
        public void work() {}
    }

    static class CallsOthers {
        private final Service service;

        CallsOthers(Service service) {
            this.service = service;
        }

        public void entry() {
            service.work();
        }

        @Cycles("1")
        public void work() {}
    }

    static class CallsItsProxy {
        private final CallsItsProxy self;

        CallsItsProxy(@Lazy CallsItsProxy self) {
            this.self = self;
        }

        public void entry() {
            self.work();
        }

        @Cycles("1")
        public void work() {}
    }

    @Test
    void callsPastTheGuardAreNamed(CapturedOutput output) {
        Fixture.bare()
                .withUserConfiguration(CallsItself.class, CallsOthers.class, CallsItsProxy.class, Service.class)
                .withPropertyValues(SEED)
                .run(application -> assertThat(application).hasNotFailed());
        assertThat(output.getAll()).contains("CallsItself.").contains("-> work").doesNotContain("CallsOthers.", "CallsItsProxy.");
    }

    @Test
    void callsPastTheGuardMayKeepTheApplicationFromStarting() {
        Fixture.bare()
                .withUserConfiguration(CallsItself.class)
                .withPropertyValues(SEED, "cycles.self-invocation=fail")
                .run(application -> assertThat(application).getFailure().hasMessageContaining("CallsItself."));
    }
}
