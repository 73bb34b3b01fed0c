package dev.skein.gateway.template;

import dev.skein.gateway.template.Args.Bound;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.BiPredicate;
import java.util.function.IntPredicate;
import java.util.function.UnaryOperator;

/// The methods of Python's `str` that a template can call.
final class StringMethods {
    @FunctionalInterface
    private interface Method {
        Object call(String text, Args args, Evaluator run);
    }

    private static final Map<String, Method> METHODS = Map.ofEntries(
            Map.entry("capitalize", plain(Text::capitalize)),
            Map.entry("casefold", plain(text -> Text.lower(Text.upper(text)))),
            Map.entry("center", (text, args, run) -> pad(text, args, run, Side.BOTH)),
            Map.entry("count", StringMethods::count),
            Map.entry("endswith", (text, args, run) -> affix("endswith", text, args, run, String::endsWith)),
            Map.entry("find", (text, args, run) -> find("find", text, args, run, false)),
            Map.entry("format", BraceFormat::format),
            Map.entry("index", (text, args, run) -> found(find("index", text, args, run, false))),
            Map.entry("isalnum", all(c -> Character.isLetterOrDigit(c) || isNumeric(c))),
            Map.entry("isalpha", all(Character::isLetter)),
            Map.entry("isascii", (text, args, run) -> text.chars().allMatch(c -> c < 128)),
            Map.entry("isdecimal", all(Character::isDigit)),
            Map.entry("isdigit", all(Character::isDigit)),
            Map.entry("islower", (text, args, run) -> Text.isCase(text, false)),
            Map.entry("isnumeric", all(StringMethods::isNumeric)),
            Map.entry("isspace", all(Text::isSpace)),
            Map.entry("isupper", (text, args, run) -> Text.isCase(text, true)),
            Map.entry("join", (text, args, run) -> join(text, args, run)),
            Map.entry("ljust", (text, args, run) -> pad(text, args, run, Side.RIGHT)),
            Map.entry("lower", plain(Text::lower)),
            Map.entry("lstrip", (text, args, run) -> strip(text, args, true, false)),
            Map.entry("partition", (text, args, run) -> partition(text, args, run, false)),
            Map.entry("removeprefix", (text, args, run) -> removePrefix(text, args)),
            Map.entry("removesuffix", (text, args, run) -> removeSuffix(text, args)),
            Map.entry("replace", StringMethods::replace),
            Map.entry("rfind", (text, args, run) -> find("rfind", text, args, run, true)),
            Map.entry("rindex", (text, args, run) -> found(find("rindex", text, args, run, true))),
            Map.entry("rjust", (text, args, run) -> pad(text, args, run, Side.LEFT)),
            Map.entry("rpartition", (text, args, run) -> partition(text, args, run, true)),
            Map.entry("rsplit", (text, args, run) -> split(text, args, run, true)),
            Map.entry("rstrip", (text, args, run) -> strip(text, args, false, true)),
            Map.entry("split", (text, args, run) -> split(text, args, run, false)),
            Map.entry("splitlines", StringMethods::splitLines),
            Map.entry("startswith", (text, args, run) -> affix("startswith", text, args, run, String::startsWith)),
            Map.entry("strip", (text, args, run) -> strip(text, args, true, true)),
            Map.entry("swapcase", plain(Text::swapCase)),
            Map.entry("title", plain(Text::title)),
            Map.entry("upper", plain(Text::upper)),
            Map.entry("zfill", StringMethods::zeroFill));

    enum Side {
        LEFT,
        RIGHT,
        BOTH
    }

    private StringMethods() {}

    static boolean has(String name) {
        return METHODS.containsKey(name);
    }

    static Function bound(String text, String name) {
        var method = Objects.requireNonNull(METHODS.get(name));
        return new Function(name, (args, run) -> {
            run.budget().scan(text.length(), 0);
            return method.call(text, args, run);
        });
    }

    private static Method plain(UnaryOperator<String> function) {
        return (text, args, run) -> {
            args.bind("the method");
            return run.budget().made(function.apply(text));
        };
    }

    private static Method all(IntPredicate predicate) {
        return (text, args, run) -> {
            args.bind("the method");
            return Text.all(text, predicate);
        };
    }

    private static boolean isNumeric(int c) {
        return switch (Character.getType(c)) {
            case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER -> true;
            default -> false;
        };
    }

    static String strip(String text, Args args, boolean start, boolean end) {
        var bound = args.bind("strip", "chars");
        var chars = bound.set(0) ? bound.text(0) : "";
        IntPredicate strips = bound.set(0) ? c -> chars.indexOf(c) >= 0 : Text::isSpace;
        var left = start ? Text.stripStart(text, strips) : text;
        return end ? Text.stripEnd(left, strips) : left;
    }

    private static Object split(String text, Args args, Evaluator run, boolean last) {
        var bound = args.bind("split", "sep", "maxsplit");
        long limit = bound.integer(1, -1L);
        run.budget().chars(text.length() * 2L);
        if (!bound.set(0)) {
            run.budget().elements(text.length() / 2);
            return new ArrayList<Object>(last ? Text.splitSpaceLast(text, limit) : Text.splitSpace(text, limit));
        }
        var separator = bound.text(0);
        if (separator.isEmpty()) {
            throw TemplateException.fault("split() needs a separator that is not empty");
        }
        run.budget().scan(text.length(), separator.length());
        run.budget().elements(Text.count(text, separator));
        return new ArrayList<Object>(
                last ? Text.splitLast(text, separator, limit) : Text.split(text, separator, limit));
    }

    private static Object splitLines(String text, Args args, Evaluator run) {
        run.budget().elements(text.length());
        return new ArrayList<Object>(
                Text.splitLines(text, args.bind("splitlines", "keepends").truth(0, false)));
    }

    private static Object replace(String text, Args args, Evaluator run) {
        var bound = args.bind("replace", "old", "new", "count");
        return Text.replace(text, bound.text(0), bound.text(1), bound.integer(2, -1L), run.budget());
    }

    private static Object affix(
            String name, String text, Args args, Evaluator run, BiPredicate<String, String> matches) {
        var bound = args.bind(name, "prefix", "start", "end");
        var part = run.attributes().slice(text, bound.or(1, None.NONE), bound.or(2, None.NONE), None.NONE);
        var candidates = bound.get(0) instanceof Tuple tuple ? tuple.items() : List.of(bound.text(0));
        return candidates.stream().anyMatch(c -> c instanceof String affix && matches.test((String) part, affix));
    }

    private static long find(String name, String text, Args args, Evaluator run, boolean last) {
        var bound = args.bind(name, "sub", "start", "end");
        var wanted = bound.text(0);
        run.budget().scan(text.length(), wanted.length());
        var part = (String) run.attributes().slice(text, bound.or(1, None.NONE), bound.or(2, None.NONE), None.NONE);
        int found = last ? part.lastIndexOf(wanted) : part.indexOf(wanted);
        return found < 0 ? -1 : part.codePointCount(0, found) + skipped(text, bound);
    }

    /// How many characters lie before the part that a search looked through.
    private static long skipped(String text, Bound bound) {
        if (!bound.set(1)) {
            return 0;
        }
        long size = text.codePointCount(0, text.length());
        long start = bound.integer(1);
        return Math.clamp(start < 0 ? start + size : start, 0, size);
    }

    private static Object found(long index) {
        if (index < 0) {
            throw TemplateException.fault("the substring was not found");
        }
        return index;
    }

    private static Object count(String text, Args args, Evaluator run) {
        var bound = args.bind("count", "sub", "start", "end");
        var part = (String) run.attributes().slice(text, bound.or(1, None.NONE), bound.or(2, None.NONE), None.NONE);
        run.budget().scan(part.length(), bound.text(0).length());
        return Text.count(part, bound.text(0));
    }

    private static Object join(String separator, Args args, Evaluator run) {
        var out = new StringBuilder();
        var items = run.operators().iterate(args.bind("join", "iterable").get(0));
        for (boolean first = true; items.hasNext(); first = false) {
            if (!(items.next() instanceof String item)) {
                throw TemplateException.fault("join() takes strings only; the filter 'join' takes any value");
            }
            run.budget().chars(separator.length() + item.length());
            out.append(first ? "" : separator).append(item);
        }
        return out.toString();
    }

    private static Object removePrefix(String text, Args args) {
        var prefix = args.bind("removeprefix", "prefix").text(0);
        return text.startsWith(prefix) ? text.substring(prefix.length()) : text;
    }

    private static Object removeSuffix(String text, Args args) {
        var suffix = args.bind("removesuffix", "suffix").text(0);
        return text.endsWith(suffix) ? text.substring(0, text.length() - suffix.length()) : text;
    }

    private static Object partition(String text, Args args, Evaluator run, boolean last) {
        var separator = args.bind("partition", "sep").text(0);
        if (separator.isEmpty()) {
            throw TemplateException.fault("partition() needs a separator that is not empty");
        }
        run.budget().scan(text.length(), separator.length());
        int at = last ? text.lastIndexOf(separator) : text.indexOf(separator);
        if (at < 0) {
            return last ? Tuple.of("", "", text) : Tuple.of(text, "", "");
        }
        return Tuple.of(text.substring(0, at), separator, text.substring(at + separator.length()));
    }

    private static Object pad(String text, Args args, Evaluator run, Side side) {
        var bound = args.bind("the method", "width", "fillchar");
        return pad(text, bound.integer(0), bound.text(1, " "), side, run.budget());
    }

    static String pad(String text, long width, String fill, Side side, Budget budget) {
        long missing = Math.max(0, width - text.codePointCount(0, text.length()));
        if (fill.codePointCount(0, fill.length()) != 1) {
            throw TemplateException.fault("the fill must be one character, got '" + fill + "'");
        }
        budget.chars(missing > Integer.MAX_VALUE ? -1 : text.length() + missing * fill.length());
        // Python puts the odd blank left exactly when the width is odd too.
        long left = switch (side) {
            case LEFT -> missing;
            case RIGHT -> 0;
            case BOTH -> missing / 2 + (missing & width & 1);
        };
        return fill.repeat((int) left) + text + fill.repeat((int) (missing - left));
    }

    private static Object zeroFill(String text, Args args, Evaluator run) {
        long width = args.bind("zfill", "width").integer(0);
        boolean signed = text.startsWith("-") || text.startsWith("+");
        var digits = signed ? text.substring(1) : text;
        return (signed ? text.substring(0, 1) : "")
                + pad(digits, signed ? width - 1 : width, "0", Side.LEFT, run.budget());
    }
}
