package dev.skein.gateway.template;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Function;

/// Stable sorting by Python's order, the keys made once.
final class Ordering {
    private record Keyed<T>(T item, Object key) {}

    private final Operators operators;

    Ordering(Operators operators) {
        this.operators = operators;
    }

    int compare(Object a, Object b) {
        return operators.order(a, b, "<").orElse(0);
    }

    <T> List<T> sorted(List<T> items, Function<T, Object> key, boolean reverse) {
        var keyed = new ArrayList<Keyed<T>>(items.size());
        items.forEach(item -> keyed.add(new Keyed<>(item, key.apply(item))));
        // Reversed twice, so that equal items keep their order, as Python's reverse=True does.
        if (reverse) {
            Collections.reverse(keyed);
        }
        sort(keyed);
        if (reverse) {
            Collections.reverse(keyed);
        }
        var sorted = new ArrayList<T>(keyed.size());
        keyed.forEach(entry -> sorted.add(entry.item()));
        return sorted;
    }

    private <T> void sort(List<Keyed<T>> keyed) {
        try {
            keyed.sort((a, b) -> compare(a.key(), b.key()));
        } catch (IllegalArgumentException e) {
            throw TemplateException.fault("the values have no order: " + e.getMessage());
        }
    }
}
