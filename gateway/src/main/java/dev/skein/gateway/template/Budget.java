package dev.skein.gateway.template;

/// What one render has used of its limits. Confined to the rendering thread.
final class Budget {
    private static final int CHARS_A_STEP = 32;
    private static final int CHARS_AN_ELEMENT = 32;

    private final Limits limits;
    private long steps;
    private long allocated;
    private int depth;

    Budget(Limits limits) {
        this.limits = limits;
    }

    void step() {
        steps(1);
    }

    void steps(long count) {
        steps += count;
        if (steps > limits.steps()) {
            throw TemplateException.fault("the template takes more than " + limits.steps() + " steps");
        }
    }

    /// Charges the time of looking through `length` chars for a pattern of `pattern` chars.
    ///
    /// Java's search is naive, so a long repetitive pattern costs its own length again at each place.
    void scan(long length, long pattern) {
        steps(1 + length / CHARS_A_STEP * (1 + pattern / 16));
    }

    /// Charges chars that are about to be made; asked before they are, so that a too long text is never built.
    void chars(long count) {
        allocated += count;
        if (count < 0 || allocated > limits.allocation()) {
            throw TemplateException.fault(
                    "the template makes more than " + limits.allocation() + " chars and elements");
        }
    }

    /// Charges elements of lists and maps that are about to be made.
    void elements(long count) {
        chars(count > limits.allocation() ? count : count * CHARS_AN_ELEMENT);
    }

    String made(String text) {
        chars(text.length());
        return text;
    }

    void enter() {
        if (++depth > limits.depth()) {
            throw TemplateException.fault("the template nests deeper than " + limits.depth() + " levels");
        }
    }

    void leave() {
        depth--;
    }

    void checkOutput(long length) {
        if (length > limits.output()) {
            throw TemplateException.fault("the template prints more than " + limits.output() + " chars");
        }
    }
}
