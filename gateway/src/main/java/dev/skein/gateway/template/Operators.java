package dev.skein.gateway.template;

import dev.skein.gateway.template.Expr.Comparison;
import dev.skein.gateway.template.Expr.Operator;
import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;

/// Python's operators on template values, with their cost charged.
final class Operators {
    private static final int MAX_DEPTH = 200;

    private final Budget budget;
    private int depth;

    Operators(Budget budget) {
        this.budget = budget;
    }

    static boolean truth(Object value) {
        return switch (value) {
            case Boolean flag -> flag;
            case None _ -> false;
            case Undefined _ -> false;
            case String text -> !text.isEmpty();
            case Long number -> number != 0;
            case Double number -> number != 0;
            case List<?> list -> !list.isEmpty();
            case Map<?, ?> map -> !map.isEmpty();
            case Tuple tuple -> !tuple.items().isEmpty();
            case DictView view -> !view.items().isEmpty();
            default -> true;
        };
    }

    static String typeName(Object value) {
        return switch (value) {
            case String _ -> "str";
            case None _ -> "None";
            case Boolean _ -> "bool";
            case Long _, BigInteger _ -> "int";
            case Double _ -> "float";
            case Range _ -> "range";
            case List<?> _ -> "list";
            case Map<?, ?> _ -> "dict";
            case Tuple _ -> "tuple";
            case DictView view -> view.kind();
            case Generator _ -> "generator";
            case Namespace _ -> "namespace";
            default -> "function";
        };
    }

    Object binary(Operator operator, Object left, Object right) {
        refuseUndefined(left);
        if (operator == Operator.MODULO && Markup.plain(left) instanceof String format) {
            return PercentFormat.format(format, Markup.plain(right), budget);
        }
        refuseUndefined(right);
        if (Numbers.isNumber(left) && Numbers.isNumber(right)) {
            return arithmetic(operator, left, right);
        }
        return switch (operator) {
            case ADD -> join(left, right);
            case MULTIPLY -> repeat(left, right);
            default -> throw unsupported(operator.symbol(), Markup.plain(left), Markup.plain(right));
        };
    }

    private static void refuseUndefined(Object value) {
        if (value instanceof Undefined undefined) {
            throw undefined.fault();
        }
    }

    private static TemplateException unsupported(String symbol, Object left, Object right) {
        return TemplateException.fault(
                "'" + symbol + "' does not work between " + typeName(left) + " and " + typeName(right));
    }

    private static Object arithmetic(Operator operator, Object a, Object b) {
        return switch (operator) {
            case ADD -> Numbers.add(a, b);
            case SUBTRACT -> Numbers.subtract(a, b);
            case MULTIPLY -> Numbers.multiply(a, b);
            case DIVIDE -> Numbers.divide(a, b);
            case FLOOR_DIVIDE -> Numbers.floorDivide(a, b);
            case MODULO -> Numbers.modulo(a, b);
            case POWER -> Numbers.power(a, b);
        };
    }

    private Object join(Object left, Object right) {
        if (left instanceof String a && right instanceof String b) {
            budget.chars((long) a.length() + b.length());
            return a + b;
        }
        if (left instanceof Markup || right instanceof Markup) {
            return joinMarkup(left, right);
        }
        if (left instanceof Tuple a && right instanceof Tuple b) {
            return new Tuple(joined(a.items(), b.items()));
        }
        if (left instanceof List<?> a && right instanceof List<?> b && !(a instanceof Range) && !(b instanceof Range)) {
            return joined(a, b);
        }
        throw unsupported("+", left, right);
    }

    private Markup joinMarkup(Object left, Object right) {
        var joined = new StringBuilder();
        for (var side : List.of(left, right)) {
            switch (side) {
                case Markup markup -> joined.append(budget.made(markup.text()));
                case String text -> joined.append(budget.made(Markup.escape(text)));
                default -> throw unsupported("+", Markup.plain(left), Markup.plain(right));
            }
        }
        return new Markup(joined.toString());
    }

    private List<Object> joined(List<?> a, List<?> b) {
        budget.elements((long) a.size() + b.size());
        var all = new ArrayList<Object>(a.size() + b.size());
        all.addAll(a);
        all.addAll(b);
        return all;
    }

    private Object repeat(Object left, Object right) {
        if (Numbers.isInteger(left)) {
            return repeat(right, left);
        }
        if (!Numbers.isInteger(right)) {
            throw unsupported("*", left, right);
        }
        long times = Math.max(
                0,
                Numbers.toBig(right).min(BigInteger.valueOf(Integer.MAX_VALUE)).longValue());
        return switch (left) {
            case String text -> {
                budget.chars(text.length() * times);
                yield text.repeat(text.isEmpty() ? 0 : (int) times);
            }
            case Markup markup -> new Markup((String) repeat(markup.text(), right));
            case Tuple tuple -> new Tuple(repeated(tuple.items(), times));
            case List<?> list when !(list instanceof Range) -> repeated(list, times);
            default -> throw unsupported("*", left, right);
        };
    }

    private List<Object> repeated(List<?> list, long times) {
        budget.elements(list.size() * times);
        var all = new ArrayList<Object>();
        for (long i = 0; i < times && !list.isEmpty(); i++) {
            all.addAll(list);
        }
        return all;
    }

    Object sign(boolean minus, Object operand) {
        refuseUndefined(operand);
        if (!Numbers.isNumber(operand)) {
            throw TemplateException.fault("a sign does not work on " + typeName(operand));
        }
        return minus ? Numbers.negate(operand) : Numbers.add(operand, 0L);
    }

    boolean compare(Comparison comparison, Object left, Object right) {
        return switch (comparison) {
            case EQUAL -> equal(left, right);
            case NOT_EQUAL -> !equal(left, right);
            case IN -> contains(right, left);
            case NOT_IN -> !contains(right, left);
            case LESS -> order(left, right, "<").filter(c -> c < 0).isPresent();
            case LESS_EQUAL -> order(left, right, "<=").filter(c -> c <= 0).isPresent();
            case GREATER -> order(left, right, ">").filter(c -> c > 0).isPresent();
            case GREATER_EQUAL -> order(left, right, ">=").filter(c -> c >= 0).isPresent();
        };
    }

    boolean equal(Object left, Object right) {
        budget.step();
        if (left instanceof String a && right instanceof String b) {
            budget.scan(Math.min(a.length(), b.length()), 0);
            return a.equals(b);
        }
        if (Numbers.isNumber(left) && Numbers.isNumber(right)) {
            return !Numbers.isNaN(left) && !Numbers.isNaN(right) && Numbers.compare(left, right) == 0;
        }
        if (left instanceof Undefined && right instanceof Undefined) {
            return true;
        }
        return equalContainers(left, right);
    }

    private boolean equalContainers(Object left, Object right) {
        if (++depth > MAX_DEPTH) {
            throw TemplateException.fault("the values compared are nested deeper than " + MAX_DEPTH + " levels");
        }
        try {
            return switch (left) {
                case List<?> a ->
                    right instanceof List<?> b && a instanceof Range == b instanceof Range && equalItems(a, b);
                case Tuple a -> right instanceof Tuple b && equalItems(a.items(), b.items());
                case DictView a ->
                    right instanceof DictView b && a.kind().equals(b.kind()) && equalItems(a.items(), b.items());
                case Map<?, ?> a -> right instanceof Map<?, ?> b && equalDicts(a, b);
                default -> left == right;
            };
        } finally {
            depth--;
        }
    }

    private boolean equalItems(List<?> a, List<?> b) {
        if (a.size() != b.size()) {
            return false;
        }
        for (int i = 0; i < a.size(); i++) {
            if (!equal(a.get(i), b.get(i))) {
                return false;
            }
        }
        return true;
    }

    private boolean equalDicts(Map<?, ?> a, Map<?, ?> b) {
        if (a.size() != b.size()) {
            return false;
        }
        for (var entry : a.entrySet()) {
            var other = lookup(b, entry.getKey());
            if (other.isEmpty() || !equal(entry.getValue(), other.get())) {
                return false;
            }
        }
        return true;
    }

    /// The value under a key; `1`, `1.0` and `true` are the same key.
    Optional<Object> lookup(Map<?, ?> map, Object key) {
        return Optional.ofNullable(map.get(key(map, key)));
    }

    /// The key of the map that Python takes for this one, or this one itself.
    Object key(Map<?, ?> map, Object key) {
        checkHashable(key);
        if (Numbers.isNumber(key) && !map.containsKey(key)) {
            for (Object other : map.keySet()) {
                if (Numbers.isNumber(other) && equal(other, key)) {
                    return other;
                }
            }
        }
        return key;
    }

    static boolean isHashable(Object key) {
        return switch (key) {
            case List<?> list -> list instanceof Range;
            case Map<?, ?> _ -> false;
            case Tuple tuple -> tuple.items().stream().allMatch(item -> !(item instanceof Tuple) && isHashable(item));
            default -> true;
        };
    }

    static void checkHashable(Object key) {
        if (!isHashable(key)) {
            throw TemplateException.fault("a " + typeName(key) + " cannot be a key");
        }
    }

    boolean contains(Object container, Object item) {
        return switch (container) {
            case String text -> {
                if (!(item instanceof String part)) {
                    refuseUndefined(item);
                    throw TemplateException.fault("'in <string>' needs a string, got " + typeName(item));
                }
                budget.scan(text.length(), part.length());
                yield text.contains(part);
            }
            case Map<?, ?> map -> lookup(map, item).isPresent();
            default -> anyEqual(iterate(container), item);
        };
    }

    private boolean anyEqual(Iterator<Object> items, Object wanted) {
        while (items.hasNext()) {
            if (equal(items.next(), wanted)) {
                return true;
            }
        }
        return false;
    }

    /// Negative, zero or positive as in `Comparator`; empty when NaN is among them.
    Optional<Integer> order(Object left, Object right, String symbol) {
        refuseUndefined(left);
        refuseUndefined(right);
        budget.step();
        if (Numbers.isNumber(left) && Numbers.isNumber(right)) {
            boolean comparable = !Numbers.isNaN(left) && !Numbers.isNaN(right);
            return comparable ? Optional.of(Numbers.compare(left, right)) : Optional.empty();
        }
        if (left instanceof String a && right instanceof String b) {
            budget.scan(Math.min(a.length(), b.length()), 0);
            return Optional.of(Text.compare(a, b));
        }
        if (left instanceof Tuple a && right instanceof Tuple b) {
            return orderItems(a.items(), b.items(), symbol);
        }
        if (left instanceof List<?> a && right instanceof List<?> b && !(a instanceof Range || b instanceof Range)) {
            return orderItems(a, b, symbol);
        }
        throw unsupported(symbol, left, right);
    }

    private Optional<Integer> orderItems(List<?> a, List<?> b, String symbol) {
        if (++depth > MAX_DEPTH) {
            throw TemplateException.fault("the values compared are nested deeper than " + MAX_DEPTH + " levels");
        }
        try {
            for (int i = 0; i < Math.min(a.size(), b.size()); i++) {
                if (!equal(a.get(i), b.get(i))) {
                    return order(a.get(i), b.get(i), symbol);
                }
            }
            return Optional.of(Integer.compare(a.size(), b.size()));
        } finally {
            depth--;
        }
    }

    /// Iterates as a Python `for` does.
    Iterator<Object> iterate(Object value) {
        return switch (value) {
            case List<?> list -> counted(list.iterator());
            case Tuple tuple -> counted(tuple.items().iterator());
            case Map<?, ?> map -> counted(map.keySet().iterator());
            case String text -> counted(Text.characters(text));
            case DictView view -> counted(view.items().iterator());
            case Generator generator -> counted(generator.iterator());
            case Undefined _ -> counted(List.of().iterator());
            default -> throw TemplateException.fault("a " + typeName(value) + " cannot be iterated over");
        };
    }

    /// A loop over nothing much, such as `'a' in range(100000)`, must cost something too.
    private Iterator<Object> counted(Iterator<?> items) {
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return items.hasNext();
            }

            @Override
            public Object next() {
                budget.step();
                return Objects.requireNonNull(items.next());
            }
        };
    }

    List<Object> list(Object value) {
        var list = new ArrayList<Object>();
        iterate(value).forEachRemaining(item -> {
            budget.elements(1);
            list.add(item);
        });
        return list;
    }

    /// `len(value)`, or -1 for what has none.
    long size(Object value) {
        return switch (value) {
            case String text -> text.codePointCount(0, text.length());
            case List<?> list -> list.size();
            case Map<?, ?> map -> map.size();
            case Tuple tuple -> tuple.items().size();
            case DictView view -> view.items().size();
            case Undefined _ -> 0;
            default -> -1;
        };
    }
}
