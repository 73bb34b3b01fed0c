package dev.skein.gateway.template;

import java.math.BigDecimal;
import java.util.List;
import java.util.Map;

/// How Python prints values: `str()` at the top, `repr()` inside lists and dicts.
final class Repr {
    private static final int MAX_DEPTH = 200;

    private final Budget budget;
    private final StringBuilder out = new StringBuilder();
    private int depth;

    private Repr(Budget budget) {
        this.budget = budget;
    }

    /// `str(value)`.
    static String str(Object value, Budget budget) {
        return switch (value) {
            case String text -> text;
            case Undefined _ -> "";
            default -> repr(value, budget);
        };
    }

    static String repr(Object value, Budget budget) {
        var repr = new Repr(budget);
        repr.write(value);
        return repr.out.toString();
    }

    private void write(Object value) {
        budget.step();
        int start = out.length();
        switch (value) {
            case String text -> quote(text);
            case None _ -> out.append("None");
            case Boolean flag -> out.append(flag ? "True" : "False");
            case Double number -> out.append(of(number));
            case Undefined _ -> out.append("Undefined");
            case Range range -> out.append(range);
            case List<?> list -> items("[", list, "]");
            case Tuple tuple -> items("(", tuple.items(), tuple.items().size() == 1 ? ",)" : ")");
            case Map<?, ?> map -> dict(map);
            case DictView view -> items(view.kind() + "([", view.items(), "])");
            case Namespace namespace -> namespace(namespace);
            case Function function ->
                out.append("<function ").append(function.name()).append('>');
            case MacroFunction macro ->
                out.append("<Macro '").append(macro.name()).append("'>");
            case Generator _ -> out.append("<generator object>");
            default -> out.append(value);
        }
        if (!(value instanceof List || value instanceof Map || value instanceof Tuple)) {
            budget.chars(out.length() - start);
        }
    }

    private void enter() {
        if (++depth > MAX_DEPTH) {
            throw TemplateException.fault("the value is nested deeper than " + MAX_DEPTH + " levels");
        }
    }

    private void items(String open, List<?> items, String close) {
        enter();
        out.append(open);
        for (int i = 0; i < items.size(); i++) {
            out.append(i == 0 ? "" : ", ");
            write(items.get(i));
        }
        out.append(close);
        depth--;
    }

    private void dict(Map<?, ?> map) {
        enter();
        out.append('{');
        var separator = "";
        for (var entry : map.entrySet()) {
            out.append(separator);
            write(entry.getKey());
            out.append(": ");
            write(entry.getValue());
            separator = ", ";
        }
        out.append('}');
        depth--;
    }

    private void namespace(Namespace namespace) {
        out.append("<Namespace ");
        dict(namespace.fields());
        out.append('>');
    }

    private void quote(String text) {
        budget.chars(text.length());
        char quote = text.indexOf('\'') >= 0 && text.indexOf('"') < 0 ? '"' : '\'';
        out.append(quote);
        text.codePoints().forEach(c -> character(c, quote));
        out.append(quote);
    }

    private void character(int c, char quote) {
        switch (c) {
            case '\n' -> out.append("\\n");
            case '\r' -> out.append("\\r");
            case '\t' -> out.append("\\t");
            case '\\' -> out.append("\\\\");
            default -> {
                if (c == quote) {
                    out.append('\\').append(quote);
                } else if (Text.isPrintable(c)) {
                    out.appendCodePoint(c);
                } else {
                    out.append(
                            c < 0x100
                                    ? "\\x%02x".formatted(c)
                                    : c < 0x10000 ? "\\u%04x".formatted(c) : "\\U%08x".formatted(c));
                }
            }
        }
    }

    /// The shortest digits that read back as the same float, in Python's layout.
    static String of(double value) {
        if (Double.isNaN(value) || Double.isInfinite(value)) {
            return Double.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        }
        if (value == 0) {
            return 1 / value < 0 ? "-0.0" : "0.0";
        }
        var decimal = new BigDecimal(Double.toString(value)).stripTrailingZeros();
        int exponent = decimal.precision() - decimal.scale() - 1;
        if (exponent >= -4 && exponent < 16) {
            var plain = decimal.toPlainString();
            return plain.indexOf('.') < 0 ? plain + ".0" : plain;
        }
        var digits = decimal.unscaledValue().abs().toString();
        return (value < 0 ? "-" : "")
                + digits.charAt(0)
                + (digits.length() > 1 ? "." + digits.substring(1) : "")
                + (exponent < 0 ? "e-%02d" : "e+%02d").formatted(Math.abs(exponent));
    }
}
