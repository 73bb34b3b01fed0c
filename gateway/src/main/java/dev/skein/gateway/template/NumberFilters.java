package dev.skein.gateway.template;

import dev.skein.gateway.template.Filters.Filter;
import java.util.Map;

/// Filters that make numbers.
final class NumberFilters {
    static final Map<String, Filter> ALL = Map.of(
            "abs", (input, args, run) -> Numbers.abs(number(input, "abs")),
            "float", NumberFilters::toFloat,
            "int", NumberFilters::toInteger,
            "round", NumberFilters::round);

    private NumberFilters() {}

    private static Object number(Object value, String filter) {
        if (value instanceof Undefined undefined) {
            throw undefined.fault();
        }
        if (!Numbers.isNumber(value)) {
            throw TemplateException.fault(filter + " needs a number, got " + Operators.typeName(value));
        }
        return value;
    }

    private static Object toInteger(Object input, Args args, Evaluator run) {
        var bound = args.bind("int", "default", "base");
        var otherwise = bound.or(0, 0L);
        return switch (input) {
            case Undefined undefined -> throw undefined.fault();
            case String text ->
                Numbers.parseInteger(text, (int) Math.clamp(bound.integer(1, 10L), 0, 36))
                        .or(() -> Numbers.parseFloat(text)
                                .filter(Double::isFinite)
                                .map(Numbers::truncate))
                        .orElse(otherwise);
            default -> Numbers.isNumber(input) && !Numbers.isNaN(input) ? Numbers.truncate(input) : otherwise;
        };
    }

    private static Object toFloat(Object input, Args args, Evaluator run) {
        var otherwise = args.bind("float", "default").or(0, 0.0);
        return switch (input) {
            case Undefined undefined -> throw undefined.fault();
            case String text -> Numbers.parseFloat(text).map(Object.class::cast).orElse(otherwise);
            default -> Numbers.isNumber(input) ? (Object) Numbers.toDouble(input) : otherwise;
        };
    }

    private static Object round(Object input, Args args, Evaluator run) {
        var bound = args.bind("round", "precision", "method");
        var value = number(input, "round");
        long precision = bound.integer(0, 0L);
        double scale = Math.pow(10, precision);
        return switch (bound.text(1, "common")) {
            case "common" -> Numbers.round(value, precision);
            case "ceil" -> Math.ceil(Numbers.toDouble(value) * scale) / scale;
            case "floor" -> Math.floor(Numbers.toDouble(value) * scale) / scale;
            default -> throw TemplateException.fault("round knows the methods common, ceil and floor");
        };
    }
}
