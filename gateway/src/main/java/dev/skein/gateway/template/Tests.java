package dev.skein.gateway.template;

import dev.skein.gateway.template.Expr.Comparison;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/// What may follow `is`, by name.
final class Tests {
    @FunctionalInterface
    private interface Test {
        boolean apply(Object value, Args args, Evaluator run);
    }

    private static final Map<String, Test> ALL = all();

    private Tests() {}

    private static Map<String, Test> all() {
        var all = new HashMap<String, Test>();
        types(all);
        comparisons(all);
        all.put("defined", plain(value -> !(value instanceof Undefined)));
        all.put("undefined", plain(value -> value instanceof Undefined));
        all.put("none", plain(value -> value == None.NONE));
        all.put("true", plain(value -> value.equals(true)));
        all.put("false", plain(value -> value.equals(false)));
        all.put("escaped", plain(value -> false));
        all.put("odd", (value, args, run) -> remainder(value, 2L, run).equals(1L));
        all.put("even", (value, args, run) -> remainder(value, 2L, run).equals(0L));
        all.put(
                "divisibleby",
                (value, args, run) -> run.operators()
                        .equal(remainder(value, args.bind("divisibleby", "num").get(0), run), 0L));
        all.put("lower", (value, args, run) -> Text.isCase(Repr.str(value, run.budget()), false));
        all.put("upper", (value, args, run) -> Text.isCase(Repr.str(value, run.budget()), true));
        all.put("filter", plain(value -> value instanceof String name && Filters.has(name)));
        all.put("test", plain(value -> value instanceof String name && has(name)));
        return Map.copyOf(all);
    }

    private static void types(Map<String, Test> all) {
        all.put("string", plain(value -> value instanceof String));
        all.put("boolean", plain(value -> value instanceof Boolean));
        all.put("number", plain(Numbers::isNumber));
        all.put("integer", plain(value -> Numbers.isInteger(value) && !(value instanceof Boolean)));
        all.put("float", plain(value -> value instanceof Double));
        all.put("mapping", plain(value -> value instanceof Map));
        all.put("sequence", plain(Tests::isSequence));
        all.put(
                "iterable",
                plain(value -> isSequence(value)
                        || value instanceof DictView
                        || value instanceof Generator
                        || value instanceof LoopState));
        all.put(
                "callable",
                plain(value -> value instanceof Function
                        || value instanceof MacroFunction
                        || value instanceof LoopState
                        || value instanceof Undefined));
    }

    private static boolean isSequence(Object value) {
        return value instanceof String
                || value instanceof List
                || value instanceof Map
                || value instanceof Tuple
                || value instanceof Undefined;
    }

    private static void comparisons(Map<String, Test> all) {
        List.of("eq", "==", "equalto").forEach(name -> all.put(name, comparison(Comparison.EQUAL)));
        List.of("ne", "!=").forEach(name -> all.put(name, comparison(Comparison.NOT_EQUAL)));
        List.of("lt", "<", "lessthan").forEach(name -> all.put(name, comparison(Comparison.LESS)));
        List.of("le", "<=").forEach(name -> all.put(name, comparison(Comparison.LESS_EQUAL)));
        List.of("gt", ">", "greaterthan").forEach(name -> all.put(name, comparison(Comparison.GREATER)));
        List.of("ge", ">=").forEach(name -> all.put(name, comparison(Comparison.GREATER_EQUAL)));
        all.put("in", comparison(Comparison.IN));
        all.put(
                "sameas",
                (value, args, run) -> same(value, args.bind("sameas", "other").get(0), run));
    }

    private static Test plain(Predicate<Object> predicate) {
        return (value, args, run) -> {
            args.bind("the test");
            return predicate.test(value);
        };
    }

    private static Test comparison(Comparison comparison) {
        return (value, args, run) -> run.operators()
                .compare(comparison, value, args.bind("the test", "other").get(0));
    }

    /// Identity, which for immutable values Python leaves open; equal values of one type count as the same here.
    private static boolean same(Object a, Object b, Evaluator run) {
        boolean plain = a instanceof String || Numbers.isNumber(a);
        return plain && a.getClass() == b.getClass() ? run.operators().equal(a, b) : a == b;
    }

    private static Object remainder(Object value, Object divisor, Evaluator run) {
        return run.operators().binary(Expr.Operator.MODULO, value, divisor);
    }

    static boolean has(String name) {
        return ALL.containsKey(name);
    }

    static boolean apply(String name, Object value, Args args, Evaluator run) {
        var test = ALL.get(name);
        if (test == null) {
            throw TemplateException.fault("there is no test '" + name + "'");
        }
        return test.apply(value, args, run);
    }
}
