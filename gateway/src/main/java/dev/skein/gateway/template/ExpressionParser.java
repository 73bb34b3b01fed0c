package dev.skein.gateway.template;

import dev.skein.gateway.template.Expr.Arguments;
import dev.skein.gateway.template.Expr.Comparison;
import dev.skein.gateway.template.Expr.Operator;
import dev.skein.gateway.template.Token.Kind;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Parses expressions by recursive descent, one method a level of precedence, with Jinja's levels rather than Python's:
/// `~` binds tighter than `+`, `**` is left associative, and a filter belongs to the whole signed operand.
class ExpressionParser {
    private static final Expr NONE = new Expr.Literal(None.NONE);
    private static final Set<Kind> TUPLE_ENDS = Set.of(Kind.VARIABLE_END, Kind.BLOCK_END);
    private static final Set<Kind> ARGUMENT_STARTS = Set.of(Kind.NAME, Kind.STRING, Kind.INTEGER, Kind.FLOAT);
    private static final Map<String, Comparison> COMPARISONS = Map.of(
            "==", Comparison.EQUAL,
            "!=", Comparison.NOT_EQUAL,
            "<", Comparison.LESS,
            "<=", Comparison.LESS_EQUAL,
            ">", Comparison.GREATER,
            ">=", Comparison.GREATER_EQUAL);
    private static final Map<String, Operator> SUMS = Map.of("+", Operator.ADD, "-", Operator.SUBTRACT);
    private static final Map<String, Operator> PRODUCTS =
            Map.of("*", Operator.MULTIPLY, "/", Operator.DIVIDE, "//", Operator.FLOOR_DIVIDE, "%", Operator.MODULO);

    private final List<Token> tokens;
    private final Limits limits;
    private int next;
    private int depth;
    /// Names read since the innermost macro began: whether a macro takes `caller` depends on it.
    private Set<String> namesRead = new HashSet<>();

    ExpressionParser(List<Token> tokens, Limits limits) {
        this.tokens = tokens;
        this.limits = limits;
    }

    final Token current() {
        return tokens.get(next);
    }

    private Token following() {
        return tokens.get(Math.min(next + 1, tokens.size() - 1));
    }

    final Token advance() {
        var token = current();
        if (!token.is(Kind.END)) {
            next++;
        }
        return token;
    }

    final boolean skipName(String name) {
        return skipIf(current().isName(name));
    }

    final boolean skipOperator(String operator) {
        return skipIf(current().isOperator(operator));
    }

    private boolean skipIf(boolean condition) {
        if (condition) {
            advance();
        }
        return condition;
    }

    final Token expect(Kind kind) {
        if (!current().is(kind)) {
            throw unexpected(kind.words());
        }
        return advance();
    }

    final void expectOperator(String operator) {
        if (!skipOperator(operator)) {
            throw unexpected("'" + operator + "'");
        }
    }

    final void expectName(String name) {
        if (!skipName(name)) {
            throw unexpected("'" + name + "'");
        }
    }

    final TemplateException unexpected(String expected) {
        return fault(
                "unexpected " + current().describe() + ", expected " + expected,
                current().at());
    }

    static TemplateException fault(String reason, Position at) {
        return TemplateException.fault(reason, at);
    }

    /// Runs a rule one level deeper, so that nesting in the source cannot exhaust the stack.
    final <T> T nested(Supplier<T> rule) {
        if (++depth > limits.nesting()) {
            throw fault(
                    "nested deeper than " + limits.nesting() + " levels",
                    current().at());
        }
        try {
            return rule.get();
        } finally {
            depth--;
        }
    }

    /// Runs a rule and tells which names it read; they count as read outside too.
    final Set<String> readBy(Runnable rule) {
        var outer = namesRead;
        namesRead = new HashSet<>();
        rule.run();
        var inner = namesRead;
        namesRead = outer;
        namesRead.addAll(inner);
        return inner;
    }

    final Expr expression() {
        return nested(this::conditional);
    }

    private Expr conditional() {
        var value = or();
        while (skipName("if")) {
            var test = or();
            value = new Expr.Conditional(test, value, skipName("else") ? expression() : null);
        }
        return value;
    }

    private Expr or() {
        var left = and();
        while (skipName("or")) {
            left = new Expr.Or(left, and());
        }
        return left;
    }

    private Expr and() {
        var left = not();
        while (skipName("and")) {
            left = new Expr.And(left, not());
        }
        return left;
    }

    private Expr not() {
        return skipName("not") ? new Expr.Not(nested(this::not)) : compare();
    }

    private Expr compare() {
        var at = current().at();
        var first = sum();
        var links = new ArrayList<Expr.Link>();
        for (var comparison = comparison(); comparison != null; comparison = comparison()) {
            links.add(new Expr.Link(comparison, sum()));
        }
        return links.isEmpty() ? first : new Expr.Compare(first, List.copyOf(links), at);
    }

    private @Nullable Comparison comparison() {
        var token = current();
        if (token.is(Kind.OPERATOR) && COMPARISONS.containsKey(token.text())) {
            return COMPARISONS.get(advance().text());
        }
        if (skipName("in")) {
            return Comparison.IN;
        }
        if (token.isName("not") && following().isName("in")) {
            advance();
            advance();
            return Comparison.NOT_IN;
        }
        return null;
    }

    private Expr sum() {
        return binary(SUMS, this::concat);
    }

    private Expr concat() {
        var first = product();
        if (!current().isOperator("~")) {
            return first;
        }
        var parts = new ArrayList<Expr>(List.of(first));
        while (skipOperator("~")) {
            parts.add(product());
        }
        return new Expr.Concat(List.copyOf(parts));
    }

    private Expr product() {
        return binary(PRODUCTS, this::power);
    }

    private Expr power() {
        return binary(Map.of("**", Operator.POWER), () -> filtered(signed()));
    }

    private Expr binary(Map<String, Operator> operators, Supplier<Expr> operand) {
        var left = operand.get();
        for (var operator = operator(operators); operator != null; operator = operator(operators)) {
            var at = advance().at();
            left = new Expr.Binary(operator, left, operand.get(), at);
        }
        return left;
    }

    private @Nullable Operator operator(Map<String, Operator> operators) {
        return current().is(Kind.OPERATOR) ? operators.get(current().text()) : null;
    }

    private Expr signed() {
        var token = current();
        if (skipOperator("-") || skipOperator("+")) {
            return postfix(new Expr.Sign(token.text().equals("-"), nested(this::signed), token.at()));
        }
        return postfix(primary());
    }

    final Expr primary() {
        var token = current();
        return switch (token.kind()) {
            case NAME -> constantOrName(advance());
            case STRING -> new Expr.Literal(strings());
            case INTEGER -> new Expr.Literal(Numbers.integerLiteral(advance().text()));
            case FLOAT -> new Expr.Literal(Double.valueOf(advance().text().replace("_", "")));
            case OPERATOR -> bracketed();
            default -> throw unexpected("an expression");
        };
    }

    private Expr constantOrName(Token token) {
        return switch (token.text()) {
            case "true", "True" -> new Expr.Literal(true);
            case "false", "False" -> new Expr.Literal(false);
            case "none", "None" -> NONE;
            default -> {
                namesRead.add(token.text());
                yield new Expr.Name(token.text(), token.at());
            }
        };
    }

    private String strings() {
        var text = new StringBuilder(advance().text());
        while (current().is(Kind.STRING)) {
            text.append(advance().text());
        }
        return text.toString();
    }

    private Expr bracketed() {
        return switch (current().text()) {
            case "(" -> parenthesised();
            case "[" -> list();
            case "{" -> dict();
            default -> throw unexpected("an expression");
        };
    }

    private Expr parenthesised() {
        advance();
        var inner = tuple(this::expression, true);
        expectOperator(")");
        return inner;
    }

    private Expr list() {
        advance();
        var items = new ArrayList<Expr>();
        while (!current().isOperator("]")) {
            items.add(expression());
            if (!current().isOperator("]")) {
                expectOperator(",");
            }
        }
        advance();
        return new Expr.ListOf(List.copyOf(items));
    }

    private Expr dict() {
        advance();
        var keys = new ArrayList<Expr>();
        var values = new ArrayList<Expr>();
        while (!current().isOperator("}")) {
            keys.add(expression());
            expectOperator(":");
            values.add(expression());
            if (!current().isOperator("}")) {
                expectOperator(",");
            }
        }
        advance();
        return new Expr.DictOf(List.copyOf(keys), List.copyOf(values));
    }

    /// A tuple without need of parentheses: `1, 2`.
    final Expr tuple() {
        return tuple(this::expression, false);
    }

    /// The same where a following `if` belongs to the statement.
    final Expr tupleWithoutConditional() {
        return tuple(() -> nested(this::or), false);
    }

    private Expr tuple(Supplier<Expr> element, boolean mayBeEmpty) {
        var items = new ArrayList<Expr>();
        boolean comma = false;
        while (!tupleEnds()) {
            items.add(element.get());
            if (!skipOperator(",")) {
                break;
            }
            comma = true;
        }
        if (comma || (items.isEmpty() && mayBeEmpty)) {
            return new Expr.TupleOf(List.copyOf(items));
        }
        if (items.isEmpty()) {
            throw unexpected("an expression");
        }
        return items.getFirst();
    }

    private boolean tupleEnds() {
        var token = current();
        return TUPLE_ENDS.contains(token.kind()) || token.isOperator(")");
    }

    private Expr postfix(Expr start) {
        var node = start;
        while (true) {
            var token = current();
            if (skipOperator(".")) {
                node = member(node, token.at());
            } else if (skipOperator("[")) {
                node = new Expr.Item(node, subscripts(), token.at());
            } else if (token.isOperator("(")) {
                node = new Expr.Call(node, arguments(), token.at());
            } else {
                return node;
            }
        }
    }

    private Expr member(Expr base, Position at) {
        if (current().is(Kind.INTEGER)) {
            return new Expr.Item(
                    base, new Expr.Literal(Numbers.integerLiteral(advance().text())), at);
        }
        return new Expr.Attribute(base, expect(Kind.NAME).text(), at);
    }

    private Expr subscripts() {
        var keys = new ArrayList<Expr>();
        while (!current().isOperator("]")) {
            if (!keys.isEmpty()) {
                expectOperator(",");
            }
            keys.add(subscript());
        }
        advance();
        return keys.size() == 1 ? keys.getFirst() : new Expr.TupleOf(List.copyOf(keys));
    }

    private Expr subscript() {
        var start = current().isOperator(":") ? NONE : expression();
        if (!skipOperator(":")) {
            return start;
        }
        var stop = bound();
        return new Expr.Slice(start, stop, skipOperator(":") ? bound() : NONE);
    }

    private Expr bound() {
        var token = current();
        return token.isOperator(":") || token.isOperator("]") || token.isOperator(",") ? NONE : expression();
    }

    private Expr filtered(Expr start) {
        var node = start;
        while (true) {
            var token = current();
            if (skipOperator("|")) {
                node = filter(node, token.at());
            } else if (skipName("is")) {
                node = test(node, token.at());
            } else if (token.isOperator("(")) {
                node = new Expr.Call(node, arguments(), token.at());
            } else {
                return node;
            }
        }
    }

    /// A chain of filters over `input`, the first of which follows directly.
    final Expr filterChain(Expr input) {
        var node = filter(input, current().at());
        while (current().isOperator("|")) {
            node = filter(node, advance().at());
        }
        return node;
    }

    private Expr filter(Expr input, Position at) {
        var name = dottedName();
        return new Expr.Filter(input, name, current().isOperator("(") ? arguments() : Arguments.NONE, at);
    }

    private String dottedName() {
        var name = new StringBuilder(expect(Kind.NAME).text());
        while (skipOperator(".")) {
            name.append('.').append(expect(Kind.NAME).text());
        }
        return name.toString();
    }

    private Expr test(Expr input, Position at) {
        boolean negated = skipName("not");
        var name = dottedName();
        Expr test = new Expr.Test(input, name, testArguments(), at);
        return negated ? new Expr.Not(test) : test;
    }

    private Arguments testArguments() {
        var token = current();
        if (token.isOperator("(")) {
            return arguments();
        }
        boolean starts = ARGUMENT_STARTS.contains(token.kind()) || token.isOperator("[") || token.isOperator("{");
        if (!starts || token.isName("else") || token.isName("or") || token.isName("and")) {
            return Arguments.NONE;
        }
        if (token.isName("is")) {
            throw fault("tests cannot be chained with 'is', join them by 'and'", token.at());
        }
        return new Arguments(List.of(postfix(primary())), List.of(), null, null);
    }

    private Arguments arguments() {
        advance();
        var positional = new ArrayList<Expr>();
        var named = new ArrayList<Expr.Named>();
        Expr rest = null;
        Expr restNamed = null;
        while (!current().isOperator(")")) {
            var token = current();
            if (restNamed != null) {
                throw fault("no argument may follow '**'", token.at());
            } else if (skipOperator("**")) {
                restNamed = expression();
            } else if (rest == null && skipOperator("*")) {
                rest = expression();
            } else if (token.is(Kind.NAME) && following().isOperator("=")) {
                advance();
                advance();
                named.add(new Expr.Named(token.text(), expression()));
            } else if (rest != null || !named.isEmpty()) {
                throw fault("a positional argument may not follow a named one", token.at());
            } else {
                positional.add(expression());
            }
            if (!current().isOperator(")")) {
                expectOperator(",");
            }
        }
        advance();
        return new Arguments(List.copyOf(positional), List.copyOf(named), rest, restNamed);
    }
}
