package dev.skein.gateway.template;

import static java.nio.charset.StandardCharsets.UTF_8;

/// For Jazzer: parses and renders a chat template. Only [TemplateException] may come out.
public final class TemplateFuzz {
    // A tenth of what a server allows, so that an input that uses all of it is still quick.
    private static final Limits LIMITS = new Limits(1 << 16, 200, 1_000_000, 6L << 20, 1 << 20, 500);

    private TemplateFuzz() {}

    public static void fuzzerTestOneInput(byte[] source) {
        try {
            ChatTemplate.parse(new String(source, UTF_8), LIMITS).render(Probes.VARIABLES, Golden.CLOCK);
        } catch (TemplateException _) {
            // As it should be.
        }
    }
}
