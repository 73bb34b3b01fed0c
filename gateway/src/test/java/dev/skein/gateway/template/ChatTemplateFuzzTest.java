package dev.skein.gateway.template;

import static org.assertj.core.api.Assertions.fail;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/// Damaged templates: whatever they hold, parsing and rendering end with a text or a TemplateException.
class ChatTemplateFuzzTest {
    private static final int ROUNDS = 30_000;
    private static final Limits LIMITS = new Limits(1 << 16, 200, 200_000, 4 << 20, 1 << 20, 1_000);

    private final long seed = Long.getLong("skein.test.seed", System.nanoTime());
    private final SplittableRandom random = new SplittableRandom(seed);
    private final List<String> templates = new ArrayList<>(Probes.templates().values());

    @Test
    void damagedTemplatesFailOnlyByTheirException() {
        for (int round = 0; round < ROUNDS; round++) {
            var source = damaged();
            try {
                ChatTemplate.parse(source, LIMITS).render(Probes.VARIABLES, Golden.CLOCK);
            } catch (TemplateException _) {
                // What most damage should lead to.
            } catch (RuntimeException | Error e) {
                fail("seed " + seed + ", round " + round + ", template:\n" + source, e);
            }
        }
    }

    private String damaged() {
        var text = new StringBuilder(pick());
        for (int i = random.nextInt(1, 5); i > 0; i--) {
            damage(text);
        }
        return text.toString();
    }

    private String pick() {
        return templates.get(random.nextInt(templates.size()));
    }

    private void damage(StringBuilder text) {
        int from = random.nextInt(text.length() + 1);
        int to = Math.min(text.length(), from + random.nextInt(1, 8));
        switch (random.nextInt(6)) {
            case 0 -> text.delete(from, to);
            case 1 -> text.insert(from, piece());
            case 2 -> text.replace(from, to, piece());
            case 3 -> text.insert(from, text.substring(from, to).repeat(random.nextInt(1, 40)));
            case 4 -> text.insert(from, token());
            default -> text.replace(from, to, Character.toString(random.nextInt(1, 0x1ffff)));
        }
    }

    /// A part of another template.
    private String piece() {
        var other = pick();
        int from = random.nextInt(other.length() + 1);
        return other.substring(from, Math.min(other.length(), from + random.nextInt(1, 30)));
    }

    private String token() {
        var tokens = List.of(
                "{{ ",
                " }}",
                "{% ",
                " %}",
                "{%- ",
                "-%}",
                "|",
                "(",
                ")",
                "[",
                "]",
                "::-1",
                "not ",
                " is ",
                " in ",
                "**",
                "999999999",
                "-1",
                "none",
                "'",
                "\"",
                "~",
                ".",
                ",",
                "*",
                "%",
                "//",
                "0",
                "missing",
                "d",
                "nums",
                "ns",
                "|list",
                "|tojson",
                "|string",
                "[0]",
                "|safe",
                "loop",
                "1e308",
                "big",
                ".format(",
                "%s",
                "\\",
                "\n");
        return tokens.get(random.nextInt(tokens.size()));
    }
}
