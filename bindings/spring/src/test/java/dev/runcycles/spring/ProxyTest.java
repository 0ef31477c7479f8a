package dev.runcycles.spring;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.aop.support.AopUtils;
import org.springframework.beans.factory.config.CustomScopeConfigurer;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.cache.annotation.Cacheable;
import org.springframework.cache.annotation.EnableCaching;
import org.springframework.cache.concurrent.ConcurrentMapCacheManager;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Scope;
import org.springframework.context.annotation.ScopedProxyMode;
import org.springframework.context.support.SimpleThreadScope;
import org.springframework.core.annotation.AliasFor;

/** Where the annotation may stand, and what the bean's proxy may be. */
class ProxyTest {
    private final Fixture fixture = new Fixture();

    @AfterEach
    void stop() {
        fixture.close();
    }

    /** An annotation of the application's own. */
    @Retention(RetentionPolicy.RUNTIME)
    @Target(ElementType.METHOD)
    @Cycles(unit = "TOKENS", actionKind = "llm.completion")
    @interface ModelCall {
        @AliasFor(annotation = Cycles.class, attribute = "estimate")
        String value();
    }

    /** What other beans know. */
    public interface Model {
        @Cycles(value = "#tokens", unit = "TOKENS")
        int fromInterface(int tokens);

        int fromClass(int count);
    }

    public static class Implementation implements Model {
        @Override
        public int fromInterface(int tokens) {
            return tokens;
        }

        @Override
        @ModelCall("#count * 2")
        public int fromClass(int count) {
            return count;
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void proxiesOfClassesAndOfInterfacesGuard(boolean ofClasses) {
        fixture.application(Implementation.class)
                .withPropertyValues("spring.aop.proxy-target-class=" + ofClasses)
                .run(application -> {
                    Model model = application.getBean(Model.class);
                    assertThat(AopUtils.isJdkDynamicProxy(model)).isEqualTo(!ofClasses);
                    assertThat(model.fromInterface(30)).isEqualTo(30);
                    assertThat(model.fromClass(4)).isEqualTo(4);
                    assertThat(fixture.tokens().getSpent()).isEqualTo(38);
                });
    }

    @Test
    void guardsWithoutBootsOwnProxies() {
        fixture.application(Implementation.class).withPropertyValues("spring.aop.auto=false").run(application -> {
            application.getBean(Model.class).fromInterface(30);
            assertThat(fixture.tokens().getSpent()).isEqualTo(30);
        });
    }

    @Test
    void needsNeitherReactorNorSpringAi() {
        fixture.application(Implementation.class)
                .withClassLoader(new FilteredClassLoader("reactor", "org.springframework.ai"))
                .run(application -> {
                    application.getBean(Model.class).fromInterface(30);
                    assertThat(application).doesNotHaveBean(CyclesChatProperties.class);
                    assertThat(fixture.tokens().getSpent()).isEqualTo(30);
                });
    }

    @Configuration
    static class Scoped {
        @Bean
        static CustomScopeConfigurer threads() {
            var scopes = new CustomScopeConfigurer();
            scopes.addScope("thread", new SimpleThreadScope());
            return scopes;
        }

        @Bean
        @Scope(scopeName = "thread", proxyMode = ScopedProxyMode.TARGET_CLASS)
        Implementation scoped() {
            return new Implementation();
        }
    }

    @Test
    void scopedBeansAreGuardedOnce() {
        fixture.application(Scoped.class).run(application -> {
            application.getBean("scoped", Model.class).fromInterface(30);
            assertThat(fixture.tokens().getSpent()).isEqualTo(30);
            assertThat(fixture.server.count("create_reservation")).isEqualTo(1);
        });
    }

    public static class Cached {
        @Cacheable("answers")
        @Cycles(value = "30", unit = "TOKENS")
        public List<String> answer(String question) {
            return List.of(question);
        }
    }

    @Configuration
    @EnableCaching
    static class Caching {
        @Bean
        ConcurrentMapCacheManager cacheManager() {
            return new ConcurrentMapCacheManager();
        }
    }

    @Test
    void whatComesOutOfACacheCostsNothing() {
        fixture.application(Cached.class, Caching.class).run(application -> {
            Cached cached = application.getBean(Cached.class);
            assertThat(cached.answer("why")).isEqualTo(cached.answer("why"));
            assertThat(fixture.tokens().getSpent()).isEqualTo(30);
            assertThat(fixture.server.count("create_reservation")).isEqualTo(1);
        });
    }
}
