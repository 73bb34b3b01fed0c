package dev.skein.gateway.template;

import java.util.LinkedHashMap;
import java.util.Map;

/// `namespace()`: the one value of a template that can change, so that a loop can carry something out.
final class Namespace {
    private final Map<String, Object> fields = new LinkedHashMap<>();

    Map<String, Object> fields() {
        return fields;
    }
}
