package dev.skein.gateway.template;

import java.util.Iterator;
import java.util.List;
import java.util.Map;

/// `'%s: %d' % (a, b)` and `'%(name)s' % dict`.
final class PercentFormat {
    /// A width beyond all bounds, and yet ten times as much is an int.
    private static final int MAX_DIGITS = 200_000_000;

    private final String format;
    private final Object values;
    private final Iterator<?> positional;
    private final Budget budget;
    private final StringBuilder out = new StringBuilder();
    private int at;

    private PercentFormat(String format, Object values, Budget budget) {
        this.format = format;
        this.values = values;
        this.positional = (values instanceof Tuple tuple ? tuple.items() : List.of(values)).iterator();
        this.budget = budget;
    }

    static String format(String format, Object values, Budget budget) {
        return new PercentFormat(format, values, budget).run();
    }

    private String run() {
        budget.chars(format.length());
        while (at < format.length()) {
            int percent = format.indexOf('%', at);
            int end = percent < 0 ? format.length() : percent;
            out.append(format, at, end);
            at = end + 1;
            if (percent >= 0) {
                conversion();
            }
        }
        if (values instanceof Tuple && positional.hasNext()) {
            throw TemplateException.fault("not all values were used by the format '%...'");
        }
        if (positional.hasNext() && !(values instanceof Map || values instanceof List || values instanceof Undefined)) {
            throw TemplateException.fault("not all values were used by the format '%...'");
        }
        return out.toString();
    }

    private char peek() {
        if (at >= format.length()) {
            throw TemplateException.fault("the format ends within a '%'");
        }
        return format.charAt(at);
    }

    private void conversion() {
        var named = name();
        boolean left = false;
        boolean zero = false;
        boolean alternate = false;
        char sign = '-';
        for (; "-+ 0#".indexOf(peek()) >= 0; at++) {
            left |= peek() == '-';
            zero |= peek() == '0';
            alternate |= peek() == '#';
            sign = peek() == '+' ? '+' : peek() == ' ' && sign != '+' ? ' ' : sign;
        }
        int width = digits();
        int precision = -1;
        if (peek() == '.') {
            at++;
            precision = digits();
        }
        char type = peek();
        at++;
        char align = left ? '<' : zero && "diuxXoeEfFgG".indexOf(type) >= 0 ? '=' : '>';
        var fill = align == '=' ? "0" : " ";
        if (type == '%') {
            out.append('%');
        } else {
            var value = named.isEmpty() ? nextValue() : named(named);
            convert(new FieldFormat(fill, align, sign, alternate, width, (char) 0, precision, type), value);
        }
    }

    private void convert(FieldFormat field, Object value) {
        switch (field.type()) {
            case 's' -> out.append(field.text(Repr.str(value, budget), budget));
            case 'r', 'a' -> out.append(field.text(Repr.repr(value, budget), budget));
            case 'c' -> out.append(field.text(character(value), budget));
            default -> {
                if (!Numbers.isNumber(value)) {
                    throw TemplateException.fault(
                            "'%" + field.type() + "' needs a number, got " + Operators.typeName(value));
                }
                out.append(field.number(value, budget));
            }
        }
    }

    private static String character(Object value) {
        if (value instanceof Long code && code >= 0 && code <= Character.MAX_CODE_POINT) {
            return Character.toString(code.intValue());
        }
        if (value instanceof String text && text.codePointCount(0, text.length()) == 1) {
            return text;
        }
        throw TemplateException.fault("'%c' needs a character");
    }

    private String name() {
        if (peek() != '(') {
            return "";
        }
        int end = format.indexOf(')', at);
        if (end < 0) {
            throw TemplateException.fault("the format ends within a '%('");
        }
        var name = format.substring(at + 1, end);
        at = end + 1;
        return name;
    }

    private Object named(String name) {
        var value = values instanceof Map<?, ?> map ? map.get(name) : null;
        if (value == null) {
            throw TemplateException.fault("the format needs a value named '" + name + "'");
        }
        return value;
    }

    private Object nextValue() {
        if (!positional.hasNext()) {
            throw TemplateException.fault("the format needs more values");
        }
        return positional.next();
    }

    private int digits() {
        if (peek() == '*') {
            at++;
            return nextValue() instanceof Long value ? (int) Math.clamp(value, 0, MAX_DIGITS) : 0;
        }
        int value = 0;
        for (; peek() >= '0' && peek() <= '9'; at++) {
            value = Math.min(MAX_DIGITS, value * 10 + peek() - '0');
        }
        return value;
    }
}
