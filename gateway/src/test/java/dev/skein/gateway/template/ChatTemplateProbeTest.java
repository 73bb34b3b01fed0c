package dev.skein.gateway.template;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/// Each feature against what Jinja2 itself made of it.
class ChatTemplateProbeTest {
    private final Map<String, Object> goldens =
            Golden.part(Golden.object(Golden.resource("probe-goldens.json")), "goldens");

    @Test
    void everyProbeHasAGolden() {
        assertThat(goldens.keySet()).isEqualTo(Probes.templates().keySet()).hasSizeGreaterThan(120);
    }

    @TestFactory
    Stream<DynamicTest> rendersAsJinja() {
        return Probes.templates().keySet().stream().map(name -> DynamicTest.dynamicTest(name, () -> check(name)));
    }

    private void check(String name) {
        var source = Objects.requireNonNull(Probes.templates().get(name));
        new Golden(Golden.part(goldens, name)).check(name, source, Probes.VARIABLES);
    }
}
