package dev.skein.cli.settings;

import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/// How text becomes a value. A message completes "--name ...".
final class Readers {
    private static final String UNITS = "kmgt";

    private Readers() {}

    static boolean bool(String text) {
        return switch (text.toLowerCase(Locale.ROOT)) {
            case "true", "1", "yes", "on" -> true;
            case "false", "0", "no", "off" -> false;
            default -> throw new IllegalArgumentException("is '" + text + "'; it must be true or false");
        };
    }

    /// A whole number; a small letter multiplies by powers of 1000 and a large one by powers of 1024, as vLLM reads
    /// `1k` and `1K`.
    static Function<String, Long> count(long least, long most) {
        return text -> {
            long value = number(text);
            if (value < least || value > most) {
                throw new IllegalArgumentException("is " + text + "; it must be " + least + " to " + most);
            }
            return value;
        };
    }

    static Function<String, Integer> integer(int least, int most) {
        return count(least, most).andThen(Math::toIntExact);
    }

    /// A number, also with a fraction.
    static Function<String, Double> number(double least, double most) {
        return text -> {
            try {
                double value = Double.parseDouble(text);
                if (value >= least && value <= most) {
                    return value;
                }
            } catch (NumberFormatException e) {
                // Said below.
            }
            throw new IllegalArgumentException(
                    String.format(Locale.ROOT, "is '%s'; it must be %.0f to %.0f", text, least, most));
        };
    }

    /// One of the given words, in any case.
    static Function<String, String> choice(String... words) {
        List<String> known = List.of(words);
        return text -> {
            String word = text.toLowerCase(Locale.ROOT);
            if (!known.contains(word)) {
                throw new IllegalArgumentException("is '" + text + "'; there are " + String.join(", ", known));
            }
            return word;
        };
    }

    /// Seconds, also with a fraction.
    static Duration seconds(String text) {
        try {
            double seconds = Double.parseDouble(text);
            if (seconds >= 0 && seconds <= 86_400) {
                return Duration.ofMillis(Math.round(seconds * 1000));
            }
        } catch (NumberFormatException e) {
            // Said below.
        }
        throw new IllegalArgumentException("is '" + text + "'; it must be seconds, 0 to 86400");
    }

    private static long number(String text) {
        String digits = text.strip();
        long unit = 1;
        if (!digits.isEmpty()) {
            char last = digits.charAt(digits.length() - 1);
            int power = UNITS.indexOf(Character.toLowerCase(last)) + 1;
            if (power > 0) {
                unit = power(Character.isUpperCase(last) ? 1024 : 1000, power);
                digits = digits.substring(0, digits.length() - 1);
            }
        }
        try {
            return unit == 1 ? Long.parseLong(digits) : Math.round(Double.parseDouble(digits) * unit);
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("is '" + text + "'; it must be a whole number such as 2048, 2k or 2K");
        }
    }

    private static long power(long base, int exponent) {
        long result = 1;
        for (int i = 0; i < exponent; i++) {
            result *= base;
        }
        return result;
    }
}
