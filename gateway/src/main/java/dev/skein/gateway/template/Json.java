package dev.skein.gateway.template;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// The `tojson` filter: Python's `json.dumps`, with its spaces after `,` and `:`.
final class Json {
    private static final int MAX_DEPTH = 200;

    private final StringBuilder out = new StringBuilder();
    private final Budget budget;
    private final boolean ascii;
    private final String indent;
    private final boolean lines;
    private final String comma;
    private final String colon;
    private final boolean sorted;
    private int depth;

    private Json(Args.Bound options, Budget budget) {
        this.budget = budget;
        this.ascii = options.truth(0, false);
        this.lines = options.set(1);
        this.indent = lines ? indent(options.get(1), budget) : "";
        var separators = options.set(2) ? separators(options.get(2)) : List.of(lines ? "," : ", ", ": ");
        this.comma = separators.get(0);
        this.colon = separators.get(1);
        this.sorted = options.truth(3, false);
    }

    static String write(Object value, Args options, Budget budget) {
        var bound = options.bind("tojson", "ensure_ascii", "indent", "separators", "sort_keys");
        var json = new Json(bound, budget);
        json.value(value);
        return json.out.toString();
    }

    private static String indent(Object indent, Budget budget) {
        return switch (indent) {
            case String text -> text;
            case Boolean flag -> flag ? " " : "";
            case Long width when width <= 0 -> "";
            case Long width -> StringMethods.pad("", width, " ", StringMethods.Side.LEFT, budget);
            default -> throw TemplateException.fault("tojson needs a number or string as 'indent'");
        };
    }

    private static List<String> separators(Object value) {
        var items =
                value instanceof Tuple tuple ? tuple.items() : value instanceof List<?> list ? list : List.<Object>of();
        if (items.size() == 2 && items.get(0) instanceof String comma && items.get(1) instanceof String colon) {
            return List.of(comma, colon);
        }
        throw TemplateException.fault("tojson needs two strings as 'separators'");
    }

    private void value(Object value) {
        budget.step();
        switch (value) {
            case String text -> string(text);
            case None _ -> put("null");
            case Boolean flag -> put(flag.toString());
            case Long number -> put(number.toString());
            case BigInteger number -> put(number.toString());
            case Double number -> put(number(number));
            case Map<?, ?> map -> object(map);
            case Tuple tuple -> array(tuple.items());
            case List<?> list when !(list instanceof Range) -> array(list);
            case Undefined undefined -> throw undefined.fault();
            default -> throw TemplateException.fault("a " + Operators.typeName(value) + " cannot become JSON");
        }
    }

    private static String number(double value) {
        return Double.isNaN(value)
                ? "NaN"
                : Double.isInfinite(value) ? (value > 0 ? "Infinity" : "-Infinity") : Repr.of(value);
    }

    private void put(String text) {
        budget.chars(text.length());
        out.append(text);
    }

    private void open(String bracket) {
        if (++depth > MAX_DEPTH) {
            throw TemplateException.fault("the value is nested deeper than " + MAX_DEPTH + " levels");
        }
        put(bracket);
    }

    private void close(String bracket, boolean empty) {
        depth--;
        if (!empty) {
            newLine();
        }
        put(bracket);
    }

    private void newLine() {
        if (lines) {
            budget.chars(1L + (long) indent.length() * depth);
            out.append('\n').append(indent.repeat(depth));
        }
    }

    private void array(List<?> items) {
        open("[");
        for (int i = 0; i < items.size(); i++) {
            put(i == 0 ? "" : comma);
            newLine();
            value(items.get(i));
        }
        close("]", items.isEmpty());
    }

    private void object(Map<?, ?> map) {
        open("{");
        boolean first = true;
        for (var entry : entries(map)) {
            put(first ? "" : comma);
            newLine();
            string(key(entry.getKey()));
            put(colon);
            value(entry.getValue());
            first = false;
        }
        close("}", map.isEmpty());
    }

    private List<Map.Entry<?, ?>> entries(Map<?, ?> map) {
        var entries = new ArrayList<Map.Entry<?, ?>>(map.entrySet());
        if (sorted) {
            var order = new Ordering(new Operators(budget));
            return order.sorted(entries, Map.Entry::getKey, false);
        }
        return entries;
    }

    private String key(Object key) {
        return switch (key) {
            case String text -> text;
            case None _ -> "null";
            case Boolean flag -> flag.toString();
            case Double number -> number(number);
            case Long number -> number.toString();
            default -> throw TemplateException.fault("a " + Operators.typeName(key) + " cannot be a key in JSON");
        };
    }

    private void string(String text) {
        budget.chars(text.length() + 2L);
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            character(text.charAt(i));
        }
        out.append('"');
    }

    private void character(char c) {
        switch (c) {
            case '"' -> out.append("\\\"");
            case '\\' -> out.append("\\\\");
            case '\b' -> out.append("\\b");
            case '\f' -> out.append("\\f");
            case '\n' -> out.append("\\n");
            case '\r' -> out.append("\\r");
            case '\t' -> out.append("\\t");
            default -> {
                if (c < 0x20 || (ascii && c > 0x7e)) {
                    out.append("\\u%04x".formatted((int) c));
                } else {
                    out.append(c);
                }
            }
        }
    }
}
