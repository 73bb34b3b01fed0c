package dev.skein.gateway.template;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.Optional;

/// Python's numbers. Integers are `Long`, or `BigInteger` beyond its range; booleans count as 0 and 1.
final class Numbers {
    /// Longest integer, so that `9 ** 9 ** 9` ends.
    private static final int MAX_BITS = 1 << 14;

    private Numbers() {}

    static boolean isNumber(Object value) {
        return value instanceof Long
                || value instanceof Double
                || value instanceof Boolean
                || value instanceof BigInteger;
    }

    static boolean isInteger(Object value) {
        return isNumber(value) && !(value instanceof Double);
    }

    static double toDouble(Object number) {
        return switch (number) {
            case Double value -> value;
            case Long value -> value.doubleValue();
            case Boolean value -> value ? 1 : 0;
            default -> finite(((BigInteger) number).doubleValue());
        };
    }

    private static double finite(double value) {
        if (Double.isInfinite(value)) {
            throw TemplateException.fault("the integer is too large to become a float");
        }
        return value;
    }

    static BigInteger toBig(Object integer) {
        return switch (integer) {
            case Boolean value -> value ? BigInteger.ONE : BigInteger.ZERO;
            case Long value -> BigInteger.valueOf(value);
            default -> (BigInteger) integer;
        };
    }

    static Object normal(BigInteger value) {
        if (value.bitLength() > MAX_BITS) {
            throw TemplateException.fault("the integer has more than " + MAX_BITS + " bits");
        }
        return value.bitLength() < Long.SIZE ? (Object) value.longValue() : value;
    }

    /// Whether sum, difference and product of the two fit a long.
    private static boolean areSmall(long x, long y) {
        return (int) x == x && (int) y == y;
    }

    static Object add(Object a, Object b) {
        if (a instanceof Long x && b instanceof Long y && areSmall(x, y)) {
            return x + y;
        }
        return a instanceof Double || b instanceof Double
                ? (Object) (toDouble(a) + toDouble(b))
                : normal(toBig(a).add(toBig(b)));
    }

    static Object subtract(Object a, Object b) {
        if (a instanceof Long x && b instanceof Long y && areSmall(x, y)) {
            return x - y;
        }
        return a instanceof Double || b instanceof Double
                ? (Object) (toDouble(a) - toDouble(b))
                : normal(toBig(a).subtract(toBig(b)));
    }

    static Object multiply(Object a, Object b) {
        if (a instanceof Long x && b instanceof Long y && areSmall(x, y)) {
            return x * y;
        }
        return a instanceof Double || b instanceof Double
                ? (Object) (toDouble(a) * toDouble(b))
                : normal(toBig(a).multiply(toBig(b)));
    }

    static Object divide(Object a, Object b) {
        checkDivisor(b);
        if (a instanceof Double || b instanceof Double) {
            return toDouble(a) / toDouble(b);
        }
        var quotient = new BigDecimal(toBig(a)).divide(new BigDecimal(toBig(b)), new MathContext(60));
        return finite(quotient.doubleValue());
    }

    private static void checkDivisor(Object divisor) {
        if (toDouble(divisor) == 0) {
            throw TemplateException.fault("division by zero");
        }
    }

    static Object floorDivide(Object a, Object b) {
        checkDivisor(b);
        if (a instanceof Double || b instanceof Double) {
            return floatFloorDivide(toDouble(a), toDouble(b));
        }
        return normal(floorDivide(toBig(a), toBig(b)));
    }

    /// By way of the remainder, as Python does it: `1 // 0.1` is 9.
    private static double floatFloorDivide(double x, double y) {
        double remainder = floorMod(x, y);
        double quotient = (x - remainder) / y;
        double floor = Math.floor(quotient);
        double result = quotient - floor > 0.5 ? floor + 1 : floor;
        return quotient == 0 ? Math.copySign(0, x / y) : result;
    }

    private static BigInteger floorDivide(BigInteger a, BigInteger b) {
        var both = a.divideAndRemainder(b);
        return both[1].signum() * b.signum() < 0 ? both[0].subtract(BigInteger.ONE) : both[0];
    }

    static Object modulo(Object a, Object b) {
        checkDivisor(b);
        if (a instanceof Double || b instanceof Double) {
            return floorMod(toDouble(a), toDouble(b));
        }
        return normal(toBig(a).subtract(floorDivide(toBig(a), toBig(b)).multiply(toBig(b))));
    }

    private static double floorMod(double x, double y) {
        double remainder = x % y;
        if (remainder == 0) {
            return Math.copySign(0, y);
        }
        return remainder < 0 == y < 0 ? remainder : remainder + y;
    }

    static Object power(Object a, Object b) {
        if (isInteger(a) && isInteger(b) && toBig(b).signum() >= 0) {
            return integerPower(toBig(a), toBig(b));
        }
        double base = toDouble(a);
        double exponent = toDouble(b);
        if (base == 0 && exponent < 0) {
            throw TemplateException.fault("0 cannot be raised to a negative power");
        }
        double result = Math.pow(base, exponent);
        if (Double.isNaN(result) && !Double.isNaN(base) && !Double.isNaN(exponent)) {
            throw TemplateException.fault("complex numbers are not supported");
        }
        boolean overflow = Double.isInfinite(result) && !Double.isInfinite(base) && !Double.isInfinite(exponent);
        return overflow ? finite(result) : (Object) result;
    }

    private static Object integerPower(BigInteger base, BigInteger exponent) {
        boolean small = base.abs().compareTo(BigInteger.ONE) <= 0;
        if (small) {
            boolean odd = exponent.testBit(0);
            return normal(exponent.signum() == 0 ? BigInteger.ONE : odd ? base : base.abs());
        }
        if (exponent.bitLength() > 31 || (base.bitLength() - 1L) * exponent.intValue() > MAX_BITS) {
            throw TemplateException.fault("the power has more than " + MAX_BITS + " bits");
        }
        return normal(base.pow(exponent.intValue()));
    }

    static Object negate(Object a) {
        return a instanceof Double value ? (Object) (-value) : normal(toBig(a).negate());
    }

    static Object abs(Object a) {
        return a instanceof Double value ? (Object) Math.abs(value) : normal(toBig(a).abs());
    }

    /// Orders two numbers exactly; NaN must be ruled out before.
    static int compare(Object a, Object b) {
        if (a instanceof Long x && b instanceof Long y) {
            return Long.compare(x, y);
        }
        if ((a instanceof Double x && Double.isInfinite(x)) || (b instanceof Double y && Double.isInfinite(y))) {
            return Double.compare(toDouble(a), toDouble(b));
        }
        return exact(a).compareTo(exact(b));
    }

    static boolean isNaN(Object value) {
        return value instanceof Double number && Double.isNaN(number);
    }

    private static BigDecimal exact(Object number) {
        return number instanceof Double value ? new BigDecimal(value) : new BigDecimal(toBig(number));
    }

    /// The integer part of a number.
    static Object truncate(Object number) {
        if (number instanceof Double value) {
            if (Double.isNaN(value) || Double.isInfinite(value)) {
                throw TemplateException.fault("cannot convert " + Repr.of(value) + " to an integer");
            }
            return normal(new BigDecimal(value).toBigInteger());
        }
        return normal(toBig(number));
    }

    /// Rounds half to even on the exact binary value, as Python 3 does.
    static Object round(Object number, long digits) {
        boolean special = number instanceof Double value && (Double.isNaN(value) || Double.isInfinite(value));
        if (special || digits > 400) {
            return number;
        }
        if (digits < -400) {
            return number instanceof Double ? (Object) 0.0 : (Object) 0L;
        }
        var rounded = exact(number).setScale((int) digits, RoundingMode.HALF_EVEN);
        return number instanceof Double value
                ? (Object) Math.copySign(rounded.doubleValue(), value)
                : digits >= 0 ? normal(toBig(number)) : normal(rounded.toBigInteger());
    }

    static Object integerLiteral(String text) {
        return parseInteger(text, 0).orElseThrow();
    }

    /// Reads an integer as Python's `int(text, base)` does; base 0 looks at the prefix.
    static Optional<Object> parseInteger(String text, int base) {
        var digits = Text.strip(text).toLowerCase(java.util.Locale.ROOT);
        boolean negative = digits.startsWith("-");
        if (negative || digits.startsWith("+")) {
            digits = digits.substring(1);
        }
        int radix = digits.startsWith("0x") ? 16 : digits.startsWith("0o") ? 8 : digits.startsWith("0b") ? 2 : 10;
        boolean prefixed = radix != 10 && (base == 0 || base == radix);
        digits = prefixed ? digits.substring(2) : digits;
        int used = base == 0 ? radix : base;
        if (digits.length() > MAX_BITS / 4 || !digits.matches("[0-9a-z]+(_[0-9a-z]+)*+")) {
            return Optional.empty();
        }
        try {
            var value = new BigInteger(digits.replace("_", ""), used);
            return Optional.of(normal(negative ? value.negate() : value));
        } catch (NumberFormatException _) {
            return Optional.empty();
        }
    }

    /// Reads a float as Python's `float(text)` does.
    static Optional<Double> parseFloat(String text) {
        var number = Text.strip(text).toLowerCase(java.util.Locale.ROOT);
        boolean negative = number.startsWith("-");
        var digits = negative || number.startsWith("+") ? number.substring(1) : number;
        double sign = negative ? -1 : 1;
        switch (digits) {
            case "inf", "infinity" -> {
                return Optional.of(sign * Double.POSITIVE_INFINITY);
            }
            case "nan" -> {
                return Optional.of(Double.NaN);
            }
            default -> {}
        }
        if (digits.length() > 5_000
                || !digits.matches(
                        "([0-9](_?[0-9])*+(\\.([0-9](_?[0-9])*+)?)?|\\.[0-9](_?[0-9])*+)(e[+-]?[0-9](_?[0-9])*+)?")) {
            return Optional.empty();
        }
        return Optional.of(sign * Double.parseDouble(digits.replace("_", "")));
    }
}
