package dev.skein.gateway.template;

import java.util.regex.Pattern;

/// `'{} {0} {name[key].field!r:>10}'.format(...)`.
final class BraceFormat {
    private static final Pattern SPEC = Pattern.compile(
            "(?:(.)?([<>=^]))?([-+ ])?(#)?(0)?([0-9]{1,7})?([,_])?(?:\\.([0-9]{1,7}))?([a-zA-Z%])?", Pattern.DOTALL);

    private final String format;
    private final Args args;
    private final Evaluator run;
    private final StringBuilder out = new StringBuilder();
    private int at;
    private int automatic;

    private BraceFormat(String format, Args args, Evaluator run) {
        this.format = format;
        this.args = args;
        this.run = run;
    }

    static String format(String format, Args args, Evaluator run) {
        return new BraceFormat(format, args, run).run();
    }

    private String run() {
        run.budget().chars(format.length());
        while (at < format.length()) {
            char c = format.charAt(at++);
            if ((c == '{' || c == '}') && at < format.length() && format.charAt(at) == c) {
                out.append(c);
                at++;
            } else if (c == '{') {
                field();
            } else if (c == '}') {
                throw TemplateException.fault("a single '}' in the format, write '}}'");
            } else {
                out.append(c);
            }
        }
        return out.toString();
    }

    private void field() {
        int end = format.indexOf('}', at);
        if (end < 0 || format.substring(at, end).indexOf('{') >= 0) {
            throw TemplateException.fault("a field of the format has no end, or another one inside");
        }
        var field = format.substring(at, end);
        at = end + 1;
        int colon = field.indexOf(':');
        var head = colon < 0 ? field : field.substring(0, colon);
        int bang = head.indexOf('!');
        var value = value(bang < 0 ? head : head.substring(0, bang));
        out.append(laidOut(
                converted(value, bang < 0 ? "" : head.substring(bang + 1)),
                colon < 0 ? "" : field.substring(colon + 1)));
    }

    private Object converted(Object value, String conversion) {
        return switch (conversion) {
            case "" -> value;
            case "s" -> Repr.str(value, run.budget());
            case "r", "a" -> Repr.repr(value, run.budget());
            default -> throw TemplateException.fault("the conversion '!" + conversion + "' is not known");
        };
    }

    private Object value(String path) {
        int end = 0;
        while (end < path.length() && path.charAt(end) != '.' && path.charAt(end) != '[') {
            end++;
        }
        var value = argument(path.substring(0, end));
        while (end < path.length()) {
            boolean bracket = path.charAt(end) == '[';
            int stop = bracket ? path.indexOf(']', end) : nextStep(path, end + 1);
            if (stop < 0) {
                throw TemplateException.fault("a field of the format lacks ']'");
            }
            value = bracket
                    ? run.attributes().item(value, key(path.substring(end + 1, stop)))
                    : run.attributes().attribute(value, path.substring(end + 1, stop));
            end = bracket ? stop + 1 : stop;
        }
        return value;
    }

    private static int nextStep(String path, int from) {
        int end = from;
        while (end < path.length() && path.charAt(end) != '.' && path.charAt(end) != '[') {
            end++;
        }
        return end;
    }

    private static Object key(String text) {
        return isNumber(text) ? (Object) Long.parseLong(text) : text;
    }

    private static boolean isNumber(String text) {
        return !text.isEmpty() && text.length() < 10 && text.chars().allMatch(c -> c >= '0' && c <= '9');
    }

    private Object argument(String name) {
        if (name.isEmpty() || isNumber(name)) {
            int index = name.isEmpty() ? automatic++ : Integer.parseInt(name);
            if (index < args.positional().size()) {
                return args.positional().get(index);
            }
        }
        var value = args.named().get(name);
        if (value == null) {
            throw TemplateException.fault("the format needs a value '" + (name.isEmpty() ? automatic - 1 : name) + "'");
        }
        return value;
    }

    private String laidOut(Object value, String spec) {
        if (spec.isEmpty()) {
            return run.budget().made(Repr.str(value, run.budget()));
        }
        var match = SPEC.matcher(spec);
        if (!match.matches()) {
            throw TemplateException.fault("the format '" + spec + "' is not known");
        }
        boolean zero = match.group(5) != null && match.group(2) == null;
        boolean text = value instanceof String;
        var field = new FieldFormat(
                match.group(1) != null ? match.group(1) : zero ? "0" : " ",
                match.group(2) != null ? match.group(2).charAt(0) : zero ? (text ? '<' : '=') : 0,
                first(match.group(3), '-'),
                match.group(4) != null,
                match.group(6) == null ? 0 : Integer.parseInt(match.group(6)),
                first(match.group(7), (char) 0),
                match.group(8) == null ? -1 : Integer.parseInt(match.group(8)),
                first(match.group(9), (char) 0));
        if (Numbers.isNumber(value) && !(value instanceof Boolean && field.type() == 0)) {
            return field.number(value, run.budget());
        }
        if (!text && !(value instanceof Boolean) || (field.type() != 0 && field.type() != 's')) {
            throw TemplateException.fault("the format '" + spec + "' does not fit a " + Operators.typeName(value));
        }
        return field.text(Repr.str(value, run.budget()), run.budget());
    }

    private static char first(@org.jspecify.annotations.Nullable String group, char otherwise) {
        return group == null ? otherwise : group.charAt(0);
    }
}
