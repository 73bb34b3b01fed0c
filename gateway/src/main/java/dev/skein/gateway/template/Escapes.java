package dev.skein.gateway.template;

/// Backslash escapes of string literals, as in Python; an unknown escape stays as written.
final class Escapes {
    private static final String SIMPLE = "abfnrtv\\'\"";
    private static final String MEANING = "\u0007\b\f\n\r\t\u000b\\'\"";

    private Escapes() {}

    static String decode(String literal, Position at) {
        if (literal.indexOf('\\') < 0) {
            return literal;
        }
        var out = new StringBuilder(literal.length());
        int i = 0;
        while (i < literal.length()) {
            char c = literal.charAt(i);
            if (c == '\\') {
                i = escape(literal, i + 1, out, at);
            } else {
                out.append(c);
                i++;
            }
        }
        return out.toString();
    }

    /// Decodes the escape whose letter is at `i`, and returns where it ends.
    private static int escape(String literal, int i, StringBuilder out, Position at) {
        char c = literal.charAt(i);
        int simple = SIMPLE.indexOf(c);
        if (simple >= 0) {
            out.append(MEANING.charAt(simple));
            return i + 1;
        }
        return switch (c) {
            case '\n' -> i + 1;
            case 'x' -> number(literal, i + 1, 2, 16, out, at);
            case 'u' -> number(literal, i + 1, 4, 16, out, at);
            case 'U' -> number(literal, i + 1, 8, 16, out, at);
            case 'N' -> throw TemplateException.fault("named characters (\\N{...}) are not supported, write \\u", at);
            case '0', '1', '2', '3', '4', '5', '6', '7' -> number(literal, i, octalDigits(literal, i), 8, out, at);
            default -> {
                out.append('\\').append(c);
                yield i + 1;
            }
        };
    }

    private static int octalDigits(String literal, int from) {
        int count = 0;
        while (count < 3 && from + count < literal.length() && Character.digit(literal.charAt(from + count), 8) >= 0) {
            count++;
        }
        return count;
    }

    private static int number(String literal, int from, int digits, int radix, StringBuilder out, Position at) {
        long value = 0;
        for (int i = from; i < from + digits; i++) {
            int digit = i < literal.length() ? Character.digit(literal.charAt(i), radix) : -1;
            if (digit < 0) {
                throw TemplateException.fault("the escape needs " + digits + " digits", at);
            }
            value = value * radix + digit;
        }
        if (value > Character.MAX_CODE_POINT) {
            throw TemplateException.fault("the escape is beyond the last character, U+10FFFF", at);
        }
        out.appendCodePoint((int) value);
        return from + digits;
    }
}
