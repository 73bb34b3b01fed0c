package dev.skein.gateway.template;

import java.util.HashMap;
import java.util.Map;

/// The filters by name.
final class Filters {
    @FunctionalInterface
    interface Filter {
        Object apply(Object input, Args args, Evaluator run);
    }

    private static final Map<String, Filter> ALL = all();

    private Filters() {}

    private static Map<String, Filter> all() {
        var all = new HashMap<String, Filter>();
        all.putAll(TextFilters.ALL);
        all.putAll(NumberFilters.ALL);
        all.putAll(SequenceFilters.ALL);
        all.putAll(SelectionFilters.ALL);
        return Map.copyOf(all);
    }

    static boolean has(String name) {
        return ALL.containsKey(name);
    }

    static Object apply(String name, Object input, Args args, Evaluator run) {
        var filter = ALL.get(name);
        if (filter == null) {
            throw TemplateException.fault("there is no filter '" + name + "'");
        }
        return filter.apply(input, args, run);
    }
}
