package dev.skein.gateway.template;

import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Variables of one block and the way to those around it. Assignments stay in the innermost scope, as in Jinja.
final class Scope {
    private final @Nullable Scope outer;
    private final Map<String, Object> variables;

    Scope(Map<String, Object> variables) {
        this.outer = null;
        this.variables = variables;
    }

    Scope(Scope outer) {
        this.outer = outer;
        this.variables = new HashMap<>(4);
    }

    @Nullable
    Object find(String name) {
        for (var scope = this; scope != null; scope = scope.outer) {
            var value = scope.variables.get(name);
            if (value != null) {
                return value;
            }
        }
        return null;
    }

    void set(String name, Object value) {
        variables.put(name, value);
    }
}
