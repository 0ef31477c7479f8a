package dev.runcycles.spring;

import dev.runcycles.CyclesValidationError;
import dev.runcycles.Subject;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import org.springframework.util.StringUtils;

/** Who spends: what the call says, then {@code cycles.*}, then a {@link CyclesFieldResolver} of the field's name. */
final class Subjects {
    static final List<String> FIELDS = List.of("tenant", "workspace", "app", "workflow", "agent", "toolset");

    private final Map<String, String> configured;
    private final Map<String, CyclesFieldResolver> resolvers;

    Subjects(CyclesProperties properties, Map<String, CyclesFieldResolver> resolvers) {
        TreeSet<String> unknown = new TreeSet<>(resolvers.keySet());
        FIELDS.forEach(unknown::remove);
        if (!unknown.isEmpty()) {
            throw new CyclesValidationError(
                    "a CyclesFieldResolver is named after the field that it resolves, one of "
                            + String.join(", ", FIELDS) + " bean=" + String.join(",", unknown),
                    null);
        }
        this.configured = configured(properties);
        this.resolvers = resolvers;
    }

    /**
     * The subject of one call.
     *
     * @param said what the call itself says of a field; blank or null where it leaves it open
     */
    Subject subject(UnaryOperator<String> said, Map<String, String> dimensions) {
        List<String> values = FIELDS.stream().map(field -> value(field, said)).toList();
        return new Subject(
                values.get(0),
                values.get(1),
                values.get(2),
                values.get(3),
                values.get(4),
                values.get(5),
                dimensions.isEmpty() ? null : dimensions);
    }

    private String value(String field, UnaryOperator<String> said) {
        String value = said.apply(field);
        if (!StringUtils.hasText(value)) {
            value = configured.get(field);
        }
        if (!StringUtils.hasText(value) && resolvers.containsKey(field)) {
            value = resolvers.get(field).resolve();
        }
        return StringUtils.hasText(value) ? value : null;
    }

    private static Map<String, String> configured(CyclesProperties properties) {
        Map<String, String> configured = new HashMap<>();
        configured.put("tenant", properties.tenant());
        configured.put("workspace", properties.workspace());
        configured.put("app", properties.app());
        configured.put("workflow", properties.workflow());
        configured.put("agent", properties.agent());
        configured.put("toolset", properties.toolset());
        return configured;
    }
}
