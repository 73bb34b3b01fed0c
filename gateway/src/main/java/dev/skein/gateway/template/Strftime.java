package dev.skein.gateway.template;

import java.time.ZonedDateTime;
import java.time.format.TextStyle;
import java.time.temporal.ChronoField;
import java.time.temporal.IsoFields;
import java.util.Locale;

/// `strftime` of the C locale, for the current date in a prompt.
final class Strftime {
    /// More chars than any directive makes.
    static final int LONGEST_DIRECTIVE = 32;

    private Strftime() {}

    static String format(String pattern, ZonedDateTime time) {
        var out = new StringBuilder();
        for (int i = 0; i < pattern.length(); i++) {
            char c = pattern.charAt(i);
            boolean directive = c == '%' && i + 1 < pattern.length();
            boolean unpadded = directive && pattern.charAt(i + 1) == '-' && i + 2 < pattern.length();
            if (directive) {
                i += unpadded ? 2 : 1;
                var text = directive(pattern.charAt(i), time);
                boolean unknown = text.length() == 2 && text.charAt(0) == '%';
                out.append(unpadded ? unknown ? "%-" + pattern.charAt(i) : withoutPadding(text) : text);
            } else {
                out.append(c);
            }
        }
        return out.toString();
    }

    private static String withoutPadding(String text) {
        var digits = Text.stripStart(text, c -> c == '0' || c == ' ');
        return digits.isEmpty() ? "0" : digits;
    }

    private static String directive(char letter, ZonedDateTime time) {
        return switch (letter) {
            case 'a' -> time.getDayOfWeek().getDisplayName(TextStyle.SHORT, Locale.ENGLISH);
            case 'A' -> time.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
            case 'b', 'h' -> month(time).substring(0, 3);
            case 'B' -> month(time);
            case 'c' -> format("%a %b %e %H:%M:%S %Y", time);
            case 'C' -> padded(time.getYear() / 100, 2);
            case 'd' -> padded(time.getDayOfMonth(), 2);
            case 'D', 'x' -> format("%m/%d/%y", time);
            case 'e' -> "%2d".formatted(time.getDayOfMonth());
            case 'f' -> padded(time.getNano() / 1000, 6);
            case 'F' -> format("%Y-%m-%d", time);
            case 'G' -> Integer.toString(time.get(IsoFields.WEEK_BASED_YEAR));
            case 'H' -> padded(time.getHour(), 2);
            case 'I' -> padded(time.get(ChronoField.CLOCK_HOUR_OF_AMPM), 2);
            case 'j' -> padded(time.getDayOfYear(), 3);
            case 'm' -> padded(time.getMonthValue(), 2);
            case 'M' -> padded(time.getMinute(), 2);
            case 'n' -> "\n";
            case 'p' -> time.getHour() < 12 ? "AM" : "PM";
            case 'r' -> format("%I:%M:%S %p", time);
            case 'R' -> format("%H:%M", time);
            case 's' -> Long.toString(time.toEpochSecond());
            case 'S' -> padded(time.getSecond(), 2);
            case 't' -> "\t";
            case 'T', 'X' -> format("%H:%M:%S", time);
            case 'u' -> Integer.toString(time.getDayOfWeek().getValue());
            case 'U' -> padded((time.getDayOfYear() + 6 - time.getDayOfWeek().getValue() % 7) / 7, 2);
            case 'V' -> padded(time.get(IsoFields.WEEK_OF_WEEK_BASED_YEAR), 2);
            case 'w' -> Integer.toString(time.getDayOfWeek().getValue() % 7);
            case 'W' -> padded((time.getDayOfYear() + 7 - time.getDayOfWeek().getValue()) / 7, 2);
            case 'y' -> padded(time.getYear() % 100, 2);
            case 'Y' -> Integer.toString(time.getYear());
            // Python's now() knows no zone, so these two are empty.
            case 'z', 'Z' -> "";
            case '%' -> "%";
            default -> "%" + letter;
        };
    }

    private static String month(ZonedDateTime time) {
        return time.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
    }

    private static String padded(int value, int digits) {
        return ("%0" + digits + "d").formatted(value);
    }
}
