package dev.skein.gateway.template;

import java.util.List;

/// A Python tuple; `names`, when there are any, name its items as attributes.
record Tuple(List<Object> items, List<String> names) {
    Tuple(List<Object> items) {
        this(items, List.of());
    }

    static Tuple of(Object... items) {
        return new Tuple(List.of(items));
    }
}
