package dev.skein.gateway.template;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// An expression of a template.
sealed interface Expr {
    record Literal(Object value) implements Expr {}

    record Name(String name, Position at) implements Expr {}

    record Attribute(Expr base, String name, Position at) implements Expr {}

    record Item(Expr base, Expr key, Position at) implements Expr {}

    /// Only as the key of an [Item]; an absent bound is the literal None.
    record Slice(Expr start, Expr stop, Expr step) implements Expr {}

    record Call(Expr callee, Arguments arguments, Position at) implements Expr {}

    record Filter(Expr input, String name, Arguments arguments, Position at) implements Expr {}

    record Test(Expr input, String name, Arguments arguments, Position at) implements Expr {}

    record Not(Expr operand) implements Expr {}

    record Sign(boolean minus, Expr operand, Position at) implements Expr {}

    record And(Expr left, Expr right) implements Expr {}

    record Or(Expr left, Expr right) implements Expr {}

    record Binary(Operator operator, Expr left, Expr right, Position at) implements Expr {}

    record Concat(List<Expr> parts) implements Expr {}

    /// A chain such as `a < b <= c`: each middle operand is evaluated once.
    record Compare(Expr first, List<Link> links, Position at) implements Expr {}

    record Conditional(Expr test, Expr then, @Nullable Expr otherwise) implements Expr {}

    record ListOf(List<Expr> items) implements Expr {}

    record TupleOf(List<Expr> items) implements Expr {}

    record DictOf(List<Expr> keys, List<Expr> values) implements Expr {}

    record Link(Comparison comparison, Expr right) {}

    /// Arguments as written: `f(a, name=b, *rest, **named)`.
    record Arguments(
            List<Expr> positional,
            List<Named> named,
            @Nullable Expr rest,
            @Nullable Expr restNamed) {
        static final Arguments NONE = new Arguments(List.of(), List.of(), null, null);
    }

    record Named(String name, Expr value) {}

    enum Operator {
        ADD("+"),
        SUBTRACT("-"),
        MULTIPLY("*"),
        DIVIDE("/"),
        FLOOR_DIVIDE("//"),
        MODULO("%"),
        POWER("**");

        private final String symbol;

        Operator(String symbol) {
            this.symbol = symbol;
        }

        String symbol() {
            return symbol;
        }
    }

    enum Comparison {
        EQUAL,
        NOT_EQUAL,
        LESS,
        LESS_EQUAL,
        GREATER,
        GREATER_EQUAL,
        IN,
        NOT_IN
    }
}
