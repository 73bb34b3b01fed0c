package dev.skein.gateway.template;

import dev.skein.gateway.template.Stmt.Signature;
import dev.skein.gateway.template.Stmt.Target;
import dev.skein.gateway.template.Token.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/// Parses the statements of a template.
final class Parser extends ExpressionParser {
    /// The variable under which a filter finds the text of its block; no template can write such a name.
    static final String CAPTURED = "captured text";

    private static final Set<String> OTHER_TEMPLATES = Set.of("include", "extends", "import", "from", "block");
    private static final Set<String> NOT_HERE = Set.of("autoescape", "trans", "debug");

    private int loops;

    private Parser(List<Token> tokens, Limits limits) {
        super(tokens, limits);
    }

    static List<Stmt> parse(String source, Limits limits) {
        if (source.length() > limits.source()) {
            throw TemplateException.fault(
                    "the template has " + source.length() + " chars, at most " + limits.source() + " are read");
        }
        return new Parser(Lexer.tokens(source), limits).body(Set.of());
    }

    /// Statements up to a tag in `ends`, which is left at its name; with no ends, to the end of the template.
    private List<Stmt> body(Set<String> ends) {
        var statements = new ArrayList<Stmt>();
        while (true) {
            var token = advance();
            switch (token.kind()) {
                case DATA -> statements.add(new Stmt.Data(token.text()));
                case VARIABLE_BEGIN -> statements.add(print(token.at()));
                case BLOCK_BEGIN -> {
                    if (current().is(Kind.NAME) && ends.contains(current().text())) {
                        return List.copyOf(statements);
                    }
                    statements.add(nested(() -> tag(ends)));
                }
                default -> {
                    if (!ends.isEmpty()) {
                        throw fault("the template ends too early, expected " + words(ends), token.at());
                    }
                    return List.copyOf(statements);
                }
            }
        }
    }

    private static String words(Set<String> ends) {
        return String.join(
                " or ", ends.stream().sorted().map(e -> "{% " + e + " %}").toList());
    }

    private Stmt print(Position at) {
        var value = tuple();
        expect(Kind.VARIABLE_END);
        return new Stmt.Print(value, at);
    }

    /// Unlike `{{ a, b }}`, which prints a tuple, `{% print a, b %}` prints one after the other.
    private Stmt printAll(Position at) {
        var values = new ArrayList<Expr>();
        do {
            values.add(expression());
        } while (skipOperator(","));
        expect(Kind.BLOCK_END);
        return new Stmt.Print(values.size() == 1 ? values.getFirst() : new Expr.Concat(List.copyOf(values)), at);
    }

    private Stmt tag(Set<String> ends) {
        var token = expect(Kind.NAME);
        return switch (token.text()) {
            case "for" -> loop(token.at());
            case "if" -> condition();
            case "set" -> assignment(token.at());
            case "macro" -> macro();
            case "call" -> callBlock(token.at());
            case "filter" -> filterBlock(token.at());
            case "with" -> with(token.at());
            case "generation" -> generation();
            case "print" -> printAll(token.at());
            case "do" -> discard();
            case "break", "continue" -> jump(token);
            default -> throw unknownTag(token, ends);
        };
    }

    private static TemplateException unknownTag(Token token, Set<String> ends) {
        var name = token.text();
        if (OTHER_TEMPLATES.contains(name)) {
            return fault(
                    "'" + name + "' is not supported: a chat template stands alone, put its text here", token.at());
        }
        if (NOT_HERE.contains(name)) {
            return fault("'" + name + "' is not supported in chat templates", token.at());
        }
        return fault("unknown tag '" + name + "'" + (ends.isEmpty() ? "" : ", expected " + words(ends)), token.at());
    }

    private Stmt jump(Token token) {
        expect(Kind.BLOCK_END);
        if (loops == 0) {
            throw fault("'" + token.text() + "' outside a loop", token.at());
        }
        return token.text().equals("break") ? new Stmt.Break() : new Stmt.Continue();
    }

    private Stmt discard() {
        var value = tuple();
        expect(Kind.BLOCK_END);
        return new Stmt.Do(value);
    }

    private Stmt loop(Position at) {
        var target = target(false);
        expectName("in");
        var iterable = tupleWithoutConditional();
        var filter = skipName("if") ? expression() : null;
        boolean recursive = skipName("recursive");
        expect(Kind.BLOCK_END);
        loops++;
        var body = body(Set.of("endfor", "else"));
        loops--;
        var otherwise = elseBody("endfor");
        return new Stmt.For(target, iterable, filter, recursive, body, otherwise, at);
    }

    /// What follows a body that ended at `else` or at its end tag.
    private List<Stmt> elseBody(String end) {
        boolean otherwise = advance().text().equals("else");
        expect(Kind.BLOCK_END);
        return otherwise ? bodyTo(end) : List.of();
    }

    private List<Stmt> bodyTo(String end) {
        var body = body(Set.of(end));
        advance();
        expect(Kind.BLOCK_END);
        return body;
    }

    private Stmt condition() {
        var branches = new ArrayList<Stmt.Branch>();
        do {
            var test = tupleWithoutConditional();
            expect(Kind.BLOCK_END);
            branches.add(new Stmt.Branch(test, body(Set.of("elif", "else", "endif"))));
        } while (skipName("elif"));
        return new Stmt.If(List.copyOf(branches), elseBody("endif"));
    }

    private Stmt assignment(Position at) {
        var target = target(true);
        if (skipOperator("=")) {
            var value = tuple();
            expect(Kind.BLOCK_END);
            return new Stmt.Assign(target, value, at);
        }
        Expr value = new Expr.Name(CAPTURED, at);
        if (skipOperator("|")) {
            value = filterChain(value);
        }
        expect(Kind.BLOCK_END);
        return new Stmt.AssignBlock(target, value, bodyTo("endset"), at);
    }

    /// A target or several with commas.
    private Target target(boolean namespaces) {
        var first = oneTarget(namespaces);
        if (!current().isOperator(",")) {
            return first;
        }
        var targets = new ArrayList<>(List.of(first));
        while (skipOperator(",") && !current().isOperator(")")) {
            targets.add(oneTarget(namespaces));
        }
        return new Target.Unpack(List.copyOf(targets));
    }

    private Target oneTarget(boolean namespaces) {
        if (skipOperator("(")) {
            var inner = nested(() -> target(false));
            expectOperator(")");
            return inner;
        }
        var token = expect(Kind.NAME);
        if (namespaces && skipOperator(".")) {
            return new Target.NamespaceField(token.text(), expect(Kind.NAME).text());
        }
        return new Target.Variable(assignable(token));
    }

    private static String assignable(Token token) {
        return switch (token.text()) {
            case "true", "false", "none", "True", "False", "None", "loop" ->
                throw fault("cannot assign to '" + token.text() + "'", token.at());
            default -> token.text();
        };
    }

    private Stmt macro() {
        var name = assignable(expect(Kind.NAME));
        var body = new ArrayList<Stmt>();
        var parameters = new ArrayList<String>();
        var defaults = new ArrayList<Expr>();
        var read = readBy(() -> {
            parameters(parameters, defaults);
            expect(Kind.BLOCK_END);
            body.addAll(function("endmacro"));
        });
        return new Stmt.Macro(name, signature(parameters, defaults, read), List.copyOf(body));
    }

    private static Signature signature(List<String> parameters, List<Expr> defaults, Set<String> read) {
        return new Signature(
                List.copyOf(parameters),
                List.copyOf(defaults),
                read.contains("caller") && !parameters.contains("caller"),
                read.contains("varargs") && !parameters.contains("varargs"),
                read.contains("kwargs") && !parameters.contains("kwargs"));
    }

    /// A body that becomes a function: a loop outside cannot be left from inside.
    private List<Stmt> function(String end) {
        int outer = loops;
        loops = 0;
        var body = bodyTo(end);
        loops = outer;
        return body;
    }

    private void parameters(List<String> names, List<Expr> defaults) {
        expectOperator("(");
        while (!current().isOperator(")")) {
            if (!names.isEmpty()) {
                expectOperator(",");
            }
            var token = expect(Kind.NAME);
            names.add(assignable(token));
            if (skipOperator("=")) {
                defaults.add(expression());
            } else if (!defaults.isEmpty()) {
                throw fault("parameter '" + token.text() + "' needs a default as the one before has", token.at());
            }
        }
        advance();
    }

    private Stmt callBlock(Position at) {
        var body = new ArrayList<Stmt>();
        var parameters = new ArrayList<String>();
        var defaults = new ArrayList<Expr>();
        var calls = new ArrayList<Expr.Call>();
        var read = readBy(() -> {
            if (current().isOperator("(")) {
                parameters(parameters, defaults);
            }
            if (!(expression() instanceof Expr.Call call)) {
                throw fault("expected a call of a macro", at);
            }
            calls.add(call);
            expect(Kind.BLOCK_END);
            body.addAll(function("endcall"));
        });
        return new Stmt.CallBlock(calls.getFirst(), signature(parameters, defaults, read), List.copyOf(body), at);
    }

    private Stmt filterBlock(Position at) {
        var value = filterChain(new Expr.Name(CAPTURED, at));
        expect(Kind.BLOCK_END);
        return new Stmt.FilterBlock(value, bodyTo("endfilter"), at);
    }

    private Stmt generation() {
        expect(Kind.BLOCK_END);
        return new Stmt.Generation(function("endgeneration"));
    }

    private Stmt with(Position at) {
        var targets = new ArrayList<Target>();
        var values = new ArrayList<Expr>();
        while (!current().is(Kind.BLOCK_END)) {
            if (!targets.isEmpty()) {
                expectOperator(",");
            }
            targets.add(target(false));
            expectOperator("=");
            values.add(expression());
        }
        advance();
        return new Stmt.With(List.copyOf(targets), List.copyOf(values), bodyTo("endwith"), at);
    }
}
