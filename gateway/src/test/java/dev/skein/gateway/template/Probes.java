package dev.skein.gateway.template;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// The small templates of `probes.txt`, each for one feature, and the variables they are rendered with.
final class Probes {
    static final Map<String, Object> VARIABLES = Golden.object(Golden.resource("probe-variables.json"));

    private Probes() {}

    /// Templates by name.
    static Map<String, String> templates() {
        var templates = new LinkedHashMap<String, String>();
        List.of(Golden.resource("probes.txt").split("\n=== ", -1)).stream()
                .skip(1)
                .forEach(part -> {
                    int line = part.indexOf('\n');
                    templates.put(part.substring(0, line), part.substring(line + 1));
                });
        return templates;
    }
}
