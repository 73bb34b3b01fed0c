package dev.skein.gateway.template;

import dev.skein.gateway.template.Filters.Filter;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/// Filters that make text.
final class TextFilters {
    private static final String WORD_BREAKS = "-({[<";

    static final Map<String, Filter> ALL = Map.ofEntries(
            Map.entry("capitalize", plain(Text::capitalize)),
            Map.entry("center", TextFilters::center),
            Map.entry("e", TextFilters::escape),
            Map.entry("escape", TextFilters::escape),
            Map.entry("forceescape", TextFilters::escape),
            Map.entry("format", TextFilters::format),
            Map.entry("indent", TextFilters::indent),
            Map.entry("join", TextFilters::join),
            Map.entry("lower", plain(Text::lower)),
            Map.entry("replace", TextFilters::replace),
            Map.entry("safe", (input, args, run) -> new Markup(string(input, run))),
            Map.entry("string", plain(text -> text)),
            Map.entry("title", plain(TextFilters::title)),
            Map.entry("tojson", (input, args, run) -> Json.write(input, args, run.budget())),
            Map.entry("trim", (input, args, run) -> StringMethods.strip(string(input, run), args, true, true)),
            Map.entry("truncate", TextFilters::truncate),
            Map.entry("upper", plain(Text::upper)),
            Map.entry("wordcount", (input, args, run) -> wordCount(string(input, run))));

    private TextFilters() {}

    private static String string(Object value, Evaluator run) {
        var text = Repr.str(value, run.budget());
        run.budget().scan(text.length(), 0);
        return text;
    }

    private static Filter plain(UnaryOperator<String> function) {
        return (input, args, run) -> {
            args.bind("the filter");
            return run.budget().made(function.apply(string(input, run)));
        };
    }

    private static Object center(Object input, Args args, Evaluator run) {
        long width = args.bind("center", "width").integer(0, 80L);
        return StringMethods.pad(string(input, run), width, " ", StringMethods.Side.BOTH, run.budget());
    }

    private static Object escape(Object input, Args args, Evaluator run) {
        return new Markup(run.budget().made(Markup.escape(string(input, run))));
    }

    private static Object format(Object input, Args args, Evaluator run) {
        boolean named = !args.named().isEmpty();
        if (named && !args.positional().isEmpty()) {
            throw TemplateException.fault("format takes positional or named values, not both");
        }
        return PercentFormat.format(
                string(input, run), named ? args.named() : new Tuple(args.positional()), run.budget());
    }

    private static Object indent(Object input, Args args, Evaluator run) {
        var bound = args.bind("indent", "width", "first", "blank");
        if (!(input instanceof String text)) {
            throw TemplateException.fault("indent needs a string, got " + Operators.typeName(input));
        }
        var indention = bound.or(0, 4L) instanceof String prefix ? prefix : blanks(bound.integer(0, 4L), run);
        var lines = Text.splitLines(text + "\n", false);
        run.budget().chars(text.length() + (long) lines.size() * indention.length());
        var out = new StringBuilder(bound.truth(1, false) ? indention : "");
        out.append(lines.getFirst());
        boolean blank = bound.truth(2, false);
        for (var line : lines.subList(1, lines.size())) {
            out.append('\n').append(blank || !line.isEmpty() ? indention : "").append(line);
        }
        return out.toString();
    }

    private static String blanks(long count, Evaluator run) {
        return StringMethods.pad("", count, " ", StringMethods.Side.LEFT, run.budget());
    }

    private static Object join(Object input, Args args, Evaluator run) {
        var bound = args.bind("join", "d", "attribute");
        var separator = string(bound.or(0, ""), run);
        var path = new AttributePath(bound.or(1, None.NONE));
        var items = run.operators().iterate(input);
        var out = new StringBuilder();
        for (boolean first = true; items.hasNext(); first = false) {
            var item = Repr.str(path.of(items.next(), run), run.budget());
            run.budget().chars(separator.length() + item.length());
            out.append(first ? "" : separator).append(item);
        }
        return out.toString();
    }

    private static Object replace(Object input, Args args, Evaluator run) {
        var bound = args.bind("replace", "old", "new", "count");
        long limit = bound.set(2) ? bound.integer(2) : -1;
        return Text.replace(
                string(input, run), string(bound.get(0), run), string(bound.get(1), run), limit, run.budget());
    }

    /// Unlike `str.title`, this looks at white space and brackets only: `they're` becomes `They're`.
    private static String title(String text) {
        var out = new StringBuilder(text.length());
        int start = 0;
        while (start < text.length()) {
            int end = start;
            while (end < text.length() && isBreak(text.charAt(end)) == isBreak(text.charAt(start))) {
                end++;
            }
            int rest = text.offsetByCodePoints(start, 1);
            out.append(Text.upper(text.substring(start, rest))).append(Text.lower(text.substring(rest, end)));
            start = end;
        }
        return out.toString();
    }

    private static boolean isBreak(char c) {
        return Text.isSpace(c) || WORD_BREAKS.indexOf(c) >= 0;
    }

    private static Object truncate(Object input, Args args, Evaluator run) {
        var bound = args.bind("truncate", "length", "killwords", "end", "leeway");
        var text = string(input, run);
        var end = bound.text(2, "...");
        long length = bound.integer(0, 255L);
        long leeway = bound.set(3) ? bound.integer(3) : 5;
        if (length < end.length() || leeway < 0) {
            throw TemplateException.fault("truncate needs a length of at least " + end.length() + ", got " + length);
        }
        if (run.operators().size(text) <= length + leeway) {
            return text;
        }
        var cut = Slices.slice(text, 0L, length - end.length(), None.NONE);
        return (bound.truth(1, false) ? cut : Text.splitLast(cut, " ", 1).getFirst()) + end;
    }

    private static Object wordCount(String text) {
        long count = 0;
        boolean inWord = false;
        for (int c : text.codePoints().toArray()) {
            boolean word = Character.isLetterOrDigit(c) || c == '_';
            count += word && !inWord ? 1 : 0;
            inWord = word;
        }
        return count;
    }

    /// The names of one or more attributes as filters take them: `"a"`, `"a.b.0"`, `1`, or None for the item itself.
    record AttributePath(List<Object> steps) {
        AttributePath(Object attribute) {
            this(steps(attribute));
        }

        private static List<Object> steps(Object attribute) {
            return switch (attribute) {
                case None _ -> List.of();
                case String path ->
                    Text.split(path, ".", -1).stream().map(AttributePath::step).toList();
                default -> List.of(attribute);
            };
        }

        private static Object step(String name) {
            boolean number = Text.all(name, c -> c >= '0' && c <= '9') && name.length() < 10;
            return number ? (Object) Long.parseLong(name) : name;
        }

        Object of(Object item, Evaluator run) {
            var value = item;
            for (var step : steps) {
                value = run.attributes().item(value, step);
            }
            return value;
        }
    }
}
