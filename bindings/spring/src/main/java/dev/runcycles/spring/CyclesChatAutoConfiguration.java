package dev.runcycles.spring;

import dev.runcycles.CyclesClient;
import org.springframework.ai.chat.client.ChatClientBuilderCustomizer;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.context.annotation.Bean;

/** The guard around every chat client that Spring AI's own builder makes. */
@AutoConfiguration(after = CyclesAutoConfiguration.class)
@ConditionalOnClass(ChatClientBuilderCustomizer.class)
@ConditionalOnProperty(prefix = "cycles.spring-ai", name = "enabled", matchIfMissing = true)
@EnableConfigurationProperties(CyclesChatProperties.class)
public class CyclesChatAutoConfiguration {
    @Bean
    @ConditionalOnMissingBean
    CyclesChatPrice cyclesChatPrice(CyclesChatProperties properties) {
        return new TokenPrice(properties);
    }

    @Bean
    CyclesChatAdvisor cyclesChatAdvisor(
            CyclesClient client, Subjects subjects, CyclesChatPrice price, CyclesChatProperties properties) {
        return new CyclesChatAdvisor(client, subjects, price, properties);
    }

    @Bean
    ChatClientBuilderCustomizer cyclesChatClientCustomizer(CyclesChatAdvisor advisor) {
        return builder -> builder.defaultAdvisors(advisor);
    }
}
