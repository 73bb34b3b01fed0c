package dev.skein.gateway.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Locale;

/// Lays out one value in a field, for both `'%5.2f' % x` and `'{:5.2f}'.format(x)`.
///
/// @param fill the padding character
/// @param align `<`, `>`, `^`, `=` (between sign and digits), or 0 for the type's own
/// @param sign `+`, `-` or a blank: what a positive number gets
/// @param alternate whether `#` was given
/// @param width least width in characters
/// @param grouping `,`, `_` or 0
/// @param precision digits or characters, -1 for the type's own
/// @param type the conversion letter, 0 for the type's own
record FieldFormat(
        String fill, char align, char sign, boolean alternate, int width, char grouping, int precision, char type) {
    private static final int MAX_PRECISION = 1_000;

    String number(Object value, Budget budget) {
        if (precision > MAX_PRECISION) {
            throw TemplateException.fault("a precision of " + precision + " is beyond " + MAX_PRECISION);
        }
        var digits = digits(value);
        boolean negative = digits.startsWith("-");
        var prefix = negative ? "-" : sign == '-' ? "" : Character.toString(sign);
        return padded(prefix, grouped(negative ? digits.substring(1) : digits), '>', budget);
    }

    String text(String value, Budget budget) {
        int size = value.codePointCount(0, value.length());
        boolean cut = precision >= 0 && precision < size;
        return padded("", cut ? value.substring(0, value.offsetByCodePoints(0, precision)) : value, '<', budget);
    }

    private String padded(String prefix, String body, char natural, Budget budget) {
        char used = align == 0 ? natural : align;
        if (used == '=') {
            return prefix + StringMethods.pad(body, width - prefix.length(), fill, StringMethods.Side.LEFT, budget);
        }
        if (used == '^') {
            return centred(prefix + body, budget);
        }
        var side = used == '<' ? StringMethods.Side.RIGHT : StringMethods.Side.LEFT;
        return StringMethods.pad(prefix + body, width, fill, side, budget);
    }

    /// Unlike `str.center`, a format puts the odd blank always right.
    private String centred(String text, Budget budget) {
        int size = text.codePointCount(0, text.length());
        var right = StringMethods.pad(
                text, size + (Math.max(0, width - size) + 1L) / 2, fill, StringMethods.Side.RIGHT, budget);
        return StringMethods.pad(right, width, fill, StringMethods.Side.LEFT, budget);
    }

    private String grouped(String digits) {
        if (grouping == 0) {
            return digits;
        }
        int end = 0;
        while (end < digits.length() && Character.isDigit(digits.charAt(end))) {
            end++;
        }
        var out = new StringBuilder(digits);
        for (int i = end - 3; i > 0; i -= 3) {
            out.insert(i, grouping);
        }
        return out.toString();
    }

    private String digits(Object value) {
        return switch (type == 0 ? (Numbers.isInteger(value) ? 'd' : 'r') : type) {
            case 'd', 'i', 'u', 'n' -> Numbers.toBig(Numbers.truncate(value)).toString();
            case 'x' -> based(value, 16, "0x");
            case 'X' -> based(value, 16, "0x").toUpperCase(Locale.ROOT);
            case 'o' -> based(value, 8, "0o");
            case 'b' -> based(value, 2, "0b");
            case 'r' -> precision < 0 ? Repr.of(Numbers.toDouble(value)) : general(Numbers.toDouble(value), true);
            case 'f', 'F' -> special(value, fixed(Numbers.toDouble(value), precision < 0 ? 6 : precision));
            case '%' -> special(value, fixed(Numbers.toDouble(value) * 100, precision < 0 ? 6 : precision) + "%");
            case 'e' -> special(value, exponent(Numbers.toDouble(value), precision < 0 ? 6 : precision));
            case 'E' ->
                special(value, exponent(Numbers.toDouble(value), precision < 0 ? 6 : precision))
                        .toUpperCase(Locale.ROOT);
            case 'g' -> general(Numbers.toDouble(value), false);
            case 'G' -> general(Numbers.toDouble(value), false).toUpperCase(Locale.ROOT);
            default -> throw TemplateException.fault("the number format '" + type + "' is not known");
        };
    }

    private String based(Object value, int radix, String prefix) {
        if (!Numbers.isInteger(value)) {
            throw TemplateException.fault("the format '" + type + "' needs an integer");
        }
        BigInteger number = Numbers.toBig(value);
        return (number.signum() < 0 ? "-" : "")
                + (alternate ? prefix : "")
                + number.abs().toString(radix);
    }

    private static boolean isSpecial(double value) {
        return Double.isNaN(value) || Double.isInfinite(value);
    }

    private static String special(Object value, String finite) {
        double number = Numbers.toDouble(value);
        return isSpecial(number) ? Repr.of(number) : finite;
    }

    private static String minus(double value) {
        return value < 0 || (value == 0 && 1 / value < 0) ? "-" : "";
    }

    private static String fixed(double value, int digits) {
        return isSpecial(value)
                ? ""
                : minus(value)
                        + new BigDecimal(value)
                                .abs()
                                .setScale(digits, RoundingMode.HALF_EVEN)
                                .toPlainString();
    }

    private static String exponent(double value, int digits) {
        if (isSpecial(value)) {
            return "";
        }
        var rounded = new BigDecimal(value).abs().round(new MathContext(digits + 1, RoundingMode.HALF_EVEN));
        int exponent = value == 0 ? 0 : rounded.precision() - rounded.scale() - 1;
        var plain = rounded.movePointLeft(exponent)
                .setScale(digits, RoundingMode.HALF_EVEN)
                .toPlainString();
        return minus(value) + plain + (exponent < 0 ? "e-%02d" : "e+%02d").formatted(Math.abs(exponent));
    }

    /// `g`: fixed or with exponent, whichever is shorter, without trailing zeros; `point` keeps a `.0`.
    private String general(double value, boolean point) {
        if (isSpecial(value)) {
            return Repr.of(value);
        }
        int digits = precision < 0 ? 6 : Math.max(1, precision);
        var scientific = exponent(value, digits - 1);
        int e = scientific.indexOf('e');
        int exponent = Integer.parseInt(scientific.substring(e + 1));
        if (exponent < -4 || exponent >= (point ? Math.max(1, digits - 1) : digits)) {
            return trimmed(scientific.substring(0, e)) + scientific.substring(e);
        }
        var plain = trimmed(fixed(value, digits - 1 - exponent));
        return point && plain.indexOf('.') < 0 ? plain + ".0" : plain;
    }

    private String trimmed(String digits) {
        if (alternate || digits.indexOf('.') < 0) {
            return digits;
        }
        var shorter = Text.stripEnd(digits, c -> c == '0');
        return shorter.endsWith(".") ? shorter.substring(0, shorter.length() - 1) : shorter;
    }
}
