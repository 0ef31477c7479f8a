package dev.runcycles.spring;

import dev.runcycles.CyclesClient;
import dev.runcycles.CyclesConfigError;
import dev.runcycles.NotificationListener;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.springframework.aop.config.AopConfigUtils;
import org.springframework.beans.factory.BeanFactory;
import org.springframework.beans.factory.DisposableBean;
import org.springframework.beans.factory.config.BeanDefinition;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.beans.factory.support.BeanDefinitionRegistry;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.AutoConfigureOrder;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.ImportBeanDefinitionRegistrar;
import org.springframework.context.annotation.Role;
import org.springframework.core.Ordered;
import org.springframework.core.io.Resource;
import org.springframework.core.type.AnnotationMetadata;
import org.springframework.util.StringUtils;
import org.springframework.util.function.SingletonSupplier;

/**
 * A client for the authority that {@code cycles.*} names, and the guard around methods with {@link Cycles}. It comes
 * last, so that the guard stands inside what other advisors do.
 */
@AutoConfiguration
@AutoConfigureOrder(Ordered.LOWEST_PRECEDENCE)
@EnableConfigurationProperties(CyclesProperties.class)
@Import(CyclesAutoConfiguration.AutoProxies.class)
public class CyclesAutoConfiguration {
    /**
     * The application's client.
     *
     * @throws CyclesConfigError naming the property that is missing
     */
    @Bean
    @ConditionalOnMissingBean
    CyclesClient cyclesClient(CyclesProperties properties) {
        Resource seed = properties.embedded().seed();
        if (seed != null) {
            return CyclesClient.embedded(text(seed), properties.toConfig());
        }
        require("base-url", properties.baseUrl());
        require("api-key", properties.apiKey());
        return CyclesClient.create(properties.toConfig());
    }

    /** Hears what happens in the background. */
    @Bean
    @ConditionalOnMissingBean
    NotificationListener cyclesNotificationListener() {
        return new CyclesNotificationLog();
    }

    /** Begins to listen with the application, and waits for settlements at its end. */
    @Bean
    DisposableBean cyclesSettlements(CyclesClient client, NotificationListener listener, CyclesProperties properties) {
        client.onNotification(listener);
        return () -> client.getBlocking().flush(properties.retry().flushTimeout().toMillis());
    }

    /** Looks its collaborators up at the first guarded call: what is made with an advisor is itself never guarded. */
    @Bean
    @Role(BeanDefinition.ROLE_INFRASTRUCTURE)
    static CyclesAdvisor cyclesAdvisor(BeanFactory beans) {
        return new CyclesAdvisor(new CyclesInterceptor(
                SingletonSupplier.of(() -> beans.getBean(CyclesClient.class)),
                SingletonSupplier.of(() -> beans.getBean(GuardedMethods.class))));
    }

    @Bean
    GuardedMethods cyclesGuardedMethods(BeanFactory beans, Subjects subjects, CyclesProperties properties) {
        return new GuardedMethods(new CyclesExpressions(beans), subjects, properties.nested());
    }

    @Bean
    Subjects cyclesSubjects(CyclesProperties properties, Map<String, CyclesFieldResolver> resolvers) {
        return new Subjects(properties, resolvers);
    }

    @Bean
    GuardedBeansCheck cyclesGuardedBeansCheck(
            ConfigurableListableBeanFactory beans, GuardedMethods methods, CyclesProperties properties) {
        return new GuardedBeansCheck(beans, methods, properties.selfInvocation());
    }

    private static void require(String property, String value) {
        if (!StringUtils.hasText(value)) {
            throw new CyclesConfigError(
                    "cycles." + property + " is not set; set it, or cycles.embedded.seed for an authority in this process",
                    null);
        }
    }

    private static String text(Resource seed) {
        try {
            return seed.getContentAsString(StandardCharsets.UTF_8);
        } catch (IOException error) {
            throw new CyclesConfigError("cycles.embedded.seed cannot be read seed=" + seed, error);
        }
    }

    /** Spring Boot does so too, unless {@code spring.aop.auto} is off. */
    static final class AutoProxies implements ImportBeanDefinitionRegistrar {
        @Override
        public void registerBeanDefinitions(AnnotationMetadata annotated, BeanDefinitionRegistry registry) {
            AopConfigUtils.registerAutoProxyCreatorIfNecessary(registry);
        }
    }
}
