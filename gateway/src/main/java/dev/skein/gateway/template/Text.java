package dev.skein.gateway.template;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.function.IntPredicate;

/// Python's view of strings: sequences of code points, Unicode white space, its own rules of case.
final class Text {
    private Text() {}

    /// White space as `str.isspace` and `\s` see it.
    static boolean isSpace(int c) {
        return (c >= 9 && c <= 13)
                || (c >= 0x1c && c <= 0x20)
                || c == 0x85
                || c == 0xa0
                || (c > 0xff && Character.isSpaceChar(c));
    }

    /// Whether `repr` shows the character as it is.
    static boolean isPrintable(int c) {
        return switch (Character.getType(c)) {
            case Character.CONTROL,
                    Character.FORMAT,
                    Character.SURROGATE,
                    Character.PRIVATE_USE,
                    Character.UNASSIGNED,
                    Character.LINE_SEPARATOR,
                    Character.PARAGRAPH_SEPARATOR -> false;
            case Character.SPACE_SEPARATOR -> c == ' ';
            default -> true;
        };
    }

    static Iterator<String> characters(String text) {
        return text.codePoints().mapToObj(Character::toString).iterator();
    }

    static String strip(String text) {
        return stripEnd(stripStart(text, Text::isSpace), Text::isSpace);
    }

    static String stripStart(String text, IntPredicate strips) {
        int start = 0;
        while (start < text.length() && strips.test(text.codePointAt(start))) {
            start += Character.charCount(text.codePointAt(start));
        }
        return text.substring(start);
    }

    static String stripEnd(String text, IntPredicate strips) {
        int end = text.length();
        while (end > 0 && strips.test(text.codePointBefore(end))) {
            end -= Character.charCount(text.codePointBefore(end));
        }
        return text.substring(0, end);
    }

    /// Orders by code point, where `String.compareTo` orders by UTF-16 unit.
    static int compare(String a, String b) {
        int common = Math.min(a.length(), b.length());
        for (int i = 0; i < common; i++) {
            char x = a.charAt(i);
            char y = b.charAt(i);
            if (x != y) {
                boolean mixed = Character.isSurrogate(x) != Character.isSurrogate(y);
                return mixed ? (Character.isSurrogate(x) ? 1 : -1) : Character.compare(x, y);
            }
        }
        return Integer.compare(a.length(), b.length());
    }

    static String upper(String text) {
        return text.toUpperCase(Locale.ROOT);
    }

    static String lower(String text) {
        return text.toLowerCase(Locale.ROOT);
    }

    static String capitalize(String text) {
        if (text.isEmpty()) {
            return text;
        }
        int first = text.offsetByCodePoints(0, 1);
        return titleCase(text.codePointAt(0))
                + lower(text).substring(lower(text.substring(0, first)).length());
    }

    private static String titleCase(int c) {
        var single = Character.toString(c);
        var upper = upper(single);
        int title = Character.toTitleCase(c);
        boolean grows = upper.codePointCount(0, upper.length()) > 1;
        return grows ? upper.substring(0, 1) + lower(upper.substring(1)) : Character.toString(title);
    }

    /// `str.title`: each run of letters with case is capitalized.
    static String title(String text) {
        var out = new StringBuilder(text.length());
        int start = 0;
        while (start < text.length()) {
            int end = start;
            while (end < text.length() && isCased(text.codePointAt(end)) == isCased(text.codePointAt(start))) {
                end += Character.charCount(text.codePointAt(end));
            }
            out.append(capitalize(text.substring(start, end)));
            start = end;
        }
        return out.toString();
    }

    static String swapCase(String text) {
        var out = new StringBuilder(text.length());
        text.codePoints()
                .mapToObj(c -> Character.isUpperCase(c) ? lower(Character.toString(c)) : upper(Character.toString(c)))
                .forEach(out::append);
        return out.toString();
    }

    private static boolean isCased(int c) {
        return Character.isUpperCase(c) || Character.isLowerCase(c) || Character.isTitleCase(c);
    }

    /// `str.islower` and `str.isupper`: there is a letter with case, and none of the other case.
    static boolean isCase(String text, boolean upper) {
        return text.codePoints().anyMatch(Text::isCased)
                && text.codePoints()
                        .noneMatch(c -> Character.isTitleCase(c)
                                || (upper ? Character.isLowerCase(c) : Character.isUpperCase(c)));
    }

    static boolean all(String text, IntPredicate predicate) {
        return !text.isEmpty() && text.codePoints().allMatch(predicate);
    }

    /// `str.split(separator, limit)`; a negative limit means none.
    static List<String> split(String text, String separator, long limit) {
        var parts = new ArrayList<String>();
        int start = 0;
        int end = text.indexOf(separator);
        while (end >= 0 && (limit < 0 || parts.size() < limit)) {
            parts.add(text.substring(start, end));
            start = end + separator.length();
            end = text.indexOf(separator, start);
        }
        parts.add(text.substring(start));
        return parts;
    }

    static List<String> splitLast(String text, String separator, long limit) {
        var parts = new ArrayList<String>();
        int end = text.length();
        int start = lastIndexOf(text, separator, end);
        while (start >= 0 && (limit < 0 || parts.size() < limit)) {
            parts.add(text.substring(start + separator.length(), end));
            end = start;
            start = lastIndexOf(text, separator, end);
        }
        parts.add(text.substring(0, end));
        return parts.reversed();
    }

    private static int lastIndexOf(String text, String part, int end) {
        return end < part.length() ? -1 : text.lastIndexOf(part, end - part.length());
    }

    /// `str.split()`: runs of white space separate, none at the ends.
    static List<String> splitSpace(String text, long limit) {
        var parts = new ArrayList<String>();
        var rest = stripStart(text, Text::isSpace);
        while (!rest.isEmpty()) {
            int end = 0;
            while (end < rest.length() && !isSpace(rest.charAt(end))) {
                end++;
            }
            if (limit >= 0 && parts.size() >= limit) {
                parts.add(rest);
                return parts;
            }
            parts.add(rest.substring(0, end));
            rest = stripStart(rest.substring(end), Text::isSpace);
        }
        return parts;
    }

    static List<String> splitSpaceLast(String text, long limit) {
        var parts = new ArrayList<String>();
        var rest = stripEnd(text, Text::isSpace);
        while (!rest.isEmpty()) {
            int start = rest.length();
            while (start > 0 && !isSpace(rest.charAt(start - 1))) {
                start--;
            }
            if (limit >= 0 && parts.size() >= limit) {
                parts.add(rest);
                break;
            }
            parts.add(rest.substring(start));
            rest = stripEnd(rest.substring(0, start), Text::isSpace);
        }
        return parts.reversed();
    }

    /// `str.splitlines`: knows more line ends than `\n`, and adds no empty line at the end.
    static List<String> splitLines(String text, boolean keepEnds) {
        var lines = new ArrayList<String>();
        int start = 0;
        for (int i = 0; i < text.length(); i++) {
            if (isLineEnd(text.charAt(i))) {
                int next = text.startsWith("\r\n", i) ? i + 2 : i + 1;
                lines.add(text.substring(start, keepEnds ? next : i));
                start = next;
                i = next - 1;
            }
        }
        if (start < text.length()) {
            lines.add(text.substring(start));
        }
        return lines;
    }

    private static boolean isLineEnd(char c) {
        return (c >= 10 && c <= 13) || (c >= 0x1c && c <= 0x1e) || c == 0x85 || c == 0x2028 || c == 0x2029;
    }

    /// How often `part` occurs without overlap; an empty part lies between all characters.
    static long count(String text, String part) {
        if (part.isEmpty()) {
            return text.codePointCount(0, text.length()) + 1L;
        }
        long count = 0;
        for (int i = text.indexOf(part); i >= 0; i = text.indexOf(part, i + part.length())) {
            count++;
        }
        return count;
    }

    /// `str.replace`; a negative limit means none.
    static String replace(String text, String old, String with, long limit, Budget budget) {
        budget.scan(text.length(), old.length());
        long count = count(text, old);
        long times = limit < 0 ? count : Math.min(count, limit);
        budget.chars(text.length() + times * Math.max(0, with.length() - old.length()));
        var out = new StringBuilder();
        int start = 0;
        for (long i = 0; i < times; i++) {
            int found = old.isEmpty() ? emptyMatch(text, start, i) : text.indexOf(old, start);
            out.append(text, start, found).append(with);
            start = found + old.length();
        }
        return out.append(text, start, text.length()).toString();
    }

    private static int emptyMatch(String text, int start, long index) {
        return index == 0 ? 0 : text.offsetByCodePoints(start, 1);
    }
}
