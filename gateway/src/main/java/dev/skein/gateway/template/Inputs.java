package dev.skein.gateway.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Turns what a caller passes into template values: a private copy, so that nobody changes it meanwhile.
final class Inputs {
    private static final int MAX_DEPTH = 200;

    private final Budget budget;

    Inputs(Budget budget) {
        this.budget = budget;
    }

    Object value(@Nullable Object input) {
        return value(input, 0);
    }

    private Object value(@Nullable Object input, int depth) {
        budget.step();
        if (depth > MAX_DEPTH) {
            throw TemplateException.fault("the variables are nested deeper than " + MAX_DEPTH + " levels");
        }
        return switch (input) {
            case null -> None.NONE;
            case String text -> text;
            case Boolean flag -> flag;
            case Long number -> number;
            case Integer number -> number.longValue();
            case Double number -> number;
            case Float number -> number.doubleValue();
            case BigInteger number -> Numbers.normal(number);
            case List<?> list -> list(list, depth);
            case Map<?, ?> map -> map(map, depth);
            default ->
                throw new IllegalArgumentException("a template cannot take a "
                        + input.getClass().getName() + ", pass strings, numbers, booleans, lists and maps");
        };
    }

    private List<Object> list(List<?> list, int depth) {
        var values = new ArrayList<Object>(list.size());
        list.forEach(item -> values.add(value(item, depth + 1)));
        return values;
    }

    private Map<Object, Object> map(Map<?, ?> map, int depth) {
        var values = new LinkedHashMap<Object, Object>();
        map.forEach((key, item) -> values.put(value(key, depth + 1), value(item, depth + 1)));
        return values;
    }
}
