package dev.skein.gateway.template;

import dev.skein.gateway.template.Token.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Set;

/// Cuts a template into tokens and does all white space control on the way.
///
/// The rules, with `trim_blocks` and `lstrip_blocks` on: a newline right after a block tag or a comment goes; blanks
/// between the start of a line and a block tag or comment go; `-` inside a delimiter eats all white space on its side,
/// `+` keeps it. Variables (`{{ }}`) eat only by `-`. One newline at the very end of the template goes.
final class Lexer {
    private static final Set<String> PAIRS = Set.of("//", "**", "==", "!=", ">=", "<=");
    private static final String SINGLES = "+-/*%~[](){}<>=.:|,;";

    private final String source;
    private final int[] lineStarts;
    private final List<Token> tokens = new ArrayList<>();
    private final Deque<Character> open = new ArrayDeque<>();
    private int at;
    /// Whether the text before `at` ends a line in the sense of lstrip_blocks.
    private boolean lineStarting = true;

    private Lexer(String source) {
        this.source = source;
        this.lineStarts = lineStarts(source);
    }

    /// Tokens of the template, the last of kind END.
    static List<Token> tokens(String template) {
        var source = template.replace("\r\n", "\n").replace('\r', '\n');
        var lexer = new Lexer(source.endsWith("\n") ? source.substring(0, source.length() - 1) : source);
        lexer.run();
        return List.copyOf(lexer.tokens);
    }

    private void run() {
        while (at < source.length()) {
            int tag = nextTag(at);
            if (tag < 0) {
                data(at, source.substring(at));
                at = source.length();
            } else {
                tag(tag);
            }
        }
        add(Kind.END, "", at);
    }

    private int nextTag(int from) {
        for (int i = source.indexOf('{', from); i >= 0 && i + 1 < source.length(); i = source.indexOf('{', i + 1)) {
            char next = source.charAt(i + 1);
            if (next == '{' || next == '%' || next == '#') {
                return i;
            }
        }
        return -1;
    }

    private void tag(int tag) {
        char type = source.charAt(tag + 1);
        char sign = signAt(tag + 2);
        data(at, before(source.substring(at, tag), sign, type != '{'));
        int inside = tag + (sign == 0 ? 2 : 3);
        int raw = type == '%' ? endOfRawBegin(inside) : -1;
        if (raw >= 0) {
            raw(tag, raw);
        } else if (type == '#') {
            comment(tag, inside);
        } else {
            add(type == '{' ? Kind.VARIABLE_BEGIN : Kind.BLOCK_BEGIN, source.substring(tag, inside), tag);
            at = inside;
            expression(tag, type == '{');
        }
    }

    /// The text before a tag, less what the tag strips from its end.
    private String before(String text, char sign, boolean strippable) {
        if (sign == '-') {
            return text.substring(0, endWithoutSpace(text, 0));
        }
        int line = text.lastIndexOf('\n') + 1;
        boolean strips = strippable && sign != '+' && (line > 0 || lineStarting);
        return strips && endWithoutSpace(text, line) == line ? text.substring(0, line) : text;
    }

    private static int endWithoutSpace(String text, int from) {
        int end = text.length();
        while (end > from && Text.isSpace(text.charAt(end - 1))) {
            end--;
        }
        return end;
    }

    private char signAt(int index) {
        return index < source.length() && (source.charAt(index) == '-' || source.charAt(index) == '+')
                ? source.charAt(index)
                : 0;
    }

    private int skipSpace(int index) {
        int i = index;
        while (i < source.length() && Text.isSpace(source.charAt(i))) {
            i++;
        }
        return i;
    }

    private void comment(int tag, int inside) {
        int end = source.indexOf("#}", inside);
        if (end < 0) {
            throw fault("the comment has no end, expected '#}'", tag);
        }
        at = afterEnd(end, source.charAt(end - 1), inside, true);
    }

    /// Moves behind a closing delimiter of two chars at `end`, eating what its sign says.
    private int afterEnd(int end, char last, int inside, boolean trims) {
        char sign = end > inside ? last : 0;
        int next = end + 2;
        if (sign == '-') {
            next = skipSpace(next);
        } else if (trims && sign != '+' && next < source.length() && source.charAt(next) == '\n') {
            next++;
        }
        lineStarting = source.charAt(next - 1) == '\n';
        return next;
    }

    /// Where the text of a raw block starts, or -1 if this is another tag.
    private int endOfRawBegin(int inside) {
        int word = skipSpace(inside);
        if (!source.startsWith("raw", word)) {
            return -1;
        }
        int close = skipSpace(word + 3);
        if (source.startsWith("-%}", close)) {
            return skipSpace(close + 3);
        }
        return source.startsWith("%}", close) ? close + 2 : -1;
    }

    private void raw(int tag, int start) {
        lineStarting = source.charAt(start - 1) == '\n';
        for (int i = source.indexOf("{%", start); i >= 0; i = source.indexOf("{%", i + 2)) {
            char sign = signAt(i + 2);
            int inside = skipSpace(i + (sign == 0 ? 2 : 3));
            int close = source.startsWith("endraw", inside) ? skipSpace(inside + 6) : source.length();
            int end = signAt(close) == 0 ? close : close + 1;
            if (source.startsWith("%}", end)) {
                data(start, before(source.substring(start, i), sign, true));
                at = afterEnd(end, source.charAt(end - 1), inside + 6, true);
                return;
            }
        }
        throw fault("the raw block has no end, expected '{% endraw %}'", tag);
    }

    private void expression(int tag, boolean variable) {
        lineStarting = false;
        while (true) {
            at = skipSpace(at);
            if (at >= source.length()) {
                throw fault("the tag has no end, expected " + (variable ? "'}}'" : "'%}'"), tag);
            }
            if (open.isEmpty() && endOfTag(variable)) {
                return;
            }
            token();
        }
    }

    private boolean endOfTag(boolean variable) {
        char sign = signAt(at);
        int end = sign == '-' || (sign == '+' && !variable) ? at + 1 : at;
        if (!source.startsWith(variable ? "}}" : "%}", end)) {
            return false;
        }
        add(variable ? Kind.VARIABLE_END : Kind.BLOCK_END, source.substring(at, end + 2), at);
        at = afterEnd(end, sign == 0 ? ' ' : sign, end == at ? end : at, !variable);
        return true;
    }

    private void token() {
        char c = source.charAt(at);
        if (c >= '0' && c <= '9') {
            number();
        } else if (c == '\'' || c == '"') {
            string(c);
        } else if (c == '_' || Character.isUnicodeIdentifierStart(source.codePointAt(at))) {
            name();
        } else {
            operator(c);
        }
    }

    private void name() {
        int end = at;
        while (end < source.length() && isWord(source.codePointAt(end))) {
            end += Character.charCount(source.codePointAt(end));
        }
        take(Kind.NAME, end);
    }

    private static boolean isWord(int codePoint) {
        return codePoint == '_'
                || (Character.isUnicodeIdentifierPart(codePoint) && !Character.isIdentifierIgnorable(codePoint));
    }

    private void number() {
        int end = floatEnd();
        if (end > 0) {
            take(Kind.FLOAT, end);
        } else {
            take(Kind.INTEGER, integerEnd());
        }
    }

    private int integerEnd() {
        if (source.charAt(at) != '0' || at + 1 >= source.length()) {
            return source.charAt(at) == '0' ? at + 1 : digits(at, "0123456789");
        }
        int prefixed = switch (Character.toLowerCase(source.charAt(at + 1))) {
            case 'x' -> digits(at + 2, "0123456789abcdefABCDEF");
            case 'o' -> digits(at + 2, "01234567");
            case 'b' -> digits(at + 2, "01");
            default -> at + 2;
        };
        return prefixed > at + 2 ? prefixed : digits(at, "0");
    }

    /// The end of a float that starts here, or -1 when it is an integer; `a.0.1` holds no float.
    private int floatEnd() {
        if (at > 0 && source.charAt(at - 1) == '.') {
            return -1;
        }
        int whole = digits(at, "0123456789");
        int fraction = whole < source.length() && source.charAt(whole) == '.' ? digits(whole + 1, "0123456789") : whole;
        int mantissa = fraction > whole + 1 ? fraction : whole;
        int exponent = exponentEnd(mantissa);
        return exponent > mantissa ? exponent : mantissa > whole ? mantissa : -1;
    }

    private int exponentEnd(int from) {
        if (from >= source.length() || Character.toLowerCase(source.charAt(from)) != 'e') {
            return from;
        }
        int start = signAt(from + 1) == 0 ? from + 1 : from + 2;
        int end = digits(start, "0123456789");
        return end > start ? end : from;
    }

    /// The end of a run of digits with single underscores between them.
    private int digits(int from, String allowed) {
        int end = from;
        while (end < source.length()) {
            boolean gap = source.charAt(end) == '_' && end > from && end + 1 < source.length();
            if (allowed.indexOf(source.charAt(gap ? end + 1 : end)) < 0) {
                break;
            }
            end += gap ? 2 : 1;
        }
        return end;
    }

    private void string(char quote) {
        int end = at + 1;
        while (end < source.length() && source.charAt(end) != quote) {
            end += source.charAt(end) == '\\' ? 2 : 1;
        }
        if (end >= source.length()) {
            throw fault("the string has no end, expected " + quote, at);
        }
        var text = Escapes.decode(source.substring(at + 1, end), position(at));
        add(Kind.STRING, text, at);
        at = end + 1;
    }

    private void operator(char c) {
        if (at + 2 <= source.length() && PAIRS.contains(source.substring(at, at + 2))) {
            take(Kind.OPERATOR, at + 2);
            return;
        }
        if (SINGLES.indexOf(c) < 0) {
            throw fault("unexpected character '" + Character.toString(source.codePointAt(at)) + "'", at);
        }
        balance(c);
        take(Kind.OPERATOR, at + 1);
    }

    /// While a bracket is open `}}` and `%}` are not the end of the tag: `{{ {'a': {}} }}`.
    private void balance(char c) {
        switch (c) {
            case '(' -> open.push(')');
            case '[' -> open.push(']');
            case '{' -> open.push('}');
            case ')', ']', '}' -> {
                if (open.isEmpty() || open.pop() != c) {
                    throw fault("unexpected '" + c + "'", at);
                }
            }
            default -> {}
        }
    }

    private void take(Kind kind, int end) {
        add(kind, source.substring(at, end), at);
        at = end;
    }

    private void data(int start, String text) {
        if (!text.isEmpty()) {
            add(Kind.DATA, text, start);
        }
    }

    private void add(Kind kind, String text, int start) {
        tokens.add(new Token(kind, text, position(start)));
    }

    private TemplateException fault(String reason, int index) {
        return TemplateException.fault(reason, position(index));
    }

    private Position position(int index) {
        int found = Arrays.binarySearch(lineStarts, index);
        int line = found >= 0 ? found : -found - 2;
        return new Position(line + 1, index - lineStarts[line] + 1);
    }

    private static int[] lineStarts(String source) {
        var starts = new ArrayList<Integer>();
        starts.add(0);
        for (int i = source.indexOf('\n'); i >= 0; i = source.indexOf('\n', i + 1)) {
            starts.add(i + 1);
        }
        return starts.stream().mapToInt(Integer::intValue).toArray();
    }
}
