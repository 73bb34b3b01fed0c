package dev.skein.gateway.template;

/// The bounds of one template and one render.
///
/// @param source longest template, in chars
/// @param nesting deepest nesting of tags and expressions in the source
/// @param steps most evaluation steps of one render; long scans of text or lists count as many
/// @param allocation most chars that one render may create, garbage included; an element counts as 32, about what a
///     short string takes
/// @param output longest text that one render may return, in chars
/// @param depth deepest evaluation: nested expressions, macro calls and recursive loops together
record Limits(int source, int nesting, long steps, long allocation, int output, int depth) {
    static final Limits DEFAULT = new Limits(1 << 20, 200, 10_000_000, 64L << 20, 16 << 20, 500);
}
