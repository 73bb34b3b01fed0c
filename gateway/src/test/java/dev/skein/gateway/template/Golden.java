package dev.skein.gateway.template;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Map;
import java.util.Objects;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.json.JsonMapper;

/// What Jinja2 made of one template: a text, the template's own refusal, or another error.
record Golden(Map<String, Object> result) {
    /// The time at which the goldens were made.
    static final Clock CLOCK = Clock.fixed(Instant.parse("2026-02-03T16:05:06.789Z"), ZoneOffset.UTC);

    private static final JsonMapper JSON = JsonMapper.builder()
            .disable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    static Map<String, Object> object(String json) {
        return JSON.readValue(json, new TypeReference<Map<String, Object>>() {});
    }

    /// The object under a key.
    @SuppressWarnings("unchecked")
    static Map<String, Object> part(Map<String, Object> object, String key) {
        return (Map<String, Object>) Objects.requireNonNull(object.get(key), key);
    }

    /// The string under a key.
    static String text(Map<String, Object> object, String key) {
        return (String) Objects.requireNonNull(object.get(key), key);
    }

    /// A test resource beside the probes, as text.
    static String resource(String name) {
        try (InputStream in = Golden.class.getResourceAsStream("/templates/" + name)) {
            return new String(Objects.requireNonNull(in, name).readAllBytes(), StandardCharsets.UTF_8);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void check(String name, String source, Map<String, ?> variables) {
        if (result.containsKey("output")) {
            assertThat(ChatTemplate.parse(source).render(variables, CLOCK))
                    .as(name)
                    .isEqualTo(result.get("output"));
            return;
        }
        var thrown = catchThrowable(() -> ChatTemplate.parse(source).render(variables, CLOCK));
        assertThat(thrown).as(name + " " + result).isInstanceOf(TemplateException.class);
        var failure = (TemplateException) thrown;
        assertThat(failure.raisedByTemplate()).as(name).isEqualTo(result.containsKey("raised"));
        assertThat(failure.line()).as(name).isPositive();
        if (failure.raisedByTemplate()) {
            assertThat(failure.reason()).as(name).isEqualTo(result.get("raised"));
        }
    }
}
