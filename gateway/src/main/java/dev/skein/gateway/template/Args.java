package dev.skein.gateway.template;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The evaluated arguments of one call.
record Args(List<Object> positional, Map<String, Object> named) {
    static final Args NONE = new Args(List.of(), Map.of());

    /// The arguments less the first positional one.
    Args rest() {
        return new Args(positional.subList(1, positional.size()), named);
    }

    /// Matches them with parameter names; too many, doubled and unknown ones are refused.
    Bound bind(String function, String... parameters) {
        if (positional.size() > parameters.length) {
            throw TemplateException.fault(
                    function + " takes at most " + parameters.length + " arguments, got " + positional.size());
        }
        var values = new @Nullable Object[parameters.length];
        for (int i = 0; i < positional.size(); i++) {
            values[i] = positional.get(i);
        }
        named.forEach((name, value) -> {
            int i = List.of(parameters).indexOf(name);
            if (i < 0 || values[i] != null) {
                throw TemplateException.fault(function + " does not take an argument '" + name + "' here");
            }
            values[i] = value;
        });
        return new Bound(function, parameters, values);
    }

    /// Arguments by parameter.
    static final class Bound {
        private final String function;
        private final String[] parameters;
        private final @Nullable Object[] values;

        private Bound(String function, String[] parameters, @Nullable Object[] values) {
            this.function = function;
            this.parameters = parameters;
            this.values = values;
        }

        boolean has(int index) {
            return values[index] != null;
        }

        /// Given, and not None.
        boolean set(int index) {
            return values[index] != null && values[index] != None.NONE;
        }

        Object get(int index) {
            var value = values[index];
            if (value == null) {
                throw TemplateException.fault(function + " needs an argument '" + parameters[index] + "'");
            }
            return value;
        }

        Object or(int index, Object otherwise) {
            var value = values[index];
            return value == null ? otherwise : value;
        }

        String text(int index) {
            return text(index, get(index));
        }

        String text(int index, Object otherwise) {
            if (or(index, otherwise) instanceof String text) {
                return text;
            }
            throw wrong(index, "a string");
        }

        long integer(int index) {
            return integer(index, get(index));
        }

        long integer(int index, Object otherwise) {
            return switch (or(index, otherwise)) {
                case Long value -> value;
                case Boolean value -> value ? 1 : 0;
                default -> throw wrong(index, "an integer");
            };
        }

        boolean truth(int index, boolean otherwise) {
            return Operators.truth(or(index, otherwise));
        }

        private TemplateException wrong(int index, String wanted) {
            var got = Operators.typeName(get(index));
            return TemplateException.fault(
                    function + " needs " + wanted + " as '" + parameters[index] + "', got " + got);
        }
    }
}
