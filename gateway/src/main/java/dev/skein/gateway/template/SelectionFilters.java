package dev.skein.gateway.template;

import dev.skein.gateway.template.Filters.Filter;
import dev.skein.gateway.template.TextFilters.AttributePath;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;

/// Filters that choose or map items, lazily as Python's generators do, and the ones that choose a value.
final class SelectionFilters {
    static final Map<String, Filter> ALL = Map.of(
            "attr",
            SelectionFilters::attribute,
            "d",
            SelectionFilters::otherwise,
            "default",
            SelectionFilters::otherwise,
            "map",
            SelectionFilters::map,
            "reject",
            (input, args, run) -> select(input, args, run, false, false),
            "rejectattr",
            (input, args, run) -> select(input, args, run, false, true),
            "select",
            (input, args, run) -> select(input, args, run, true, false),
            "selectattr",
            (input, args, run) -> select(input, args, run, true, true));

    private SelectionFilters() {}

    private static Object otherwise(Object input, Args args, Evaluator run) {
        var bound = args.bind("default", "default_value", "boolean");
        boolean missing = input instanceof Undefined || (bound.truth(1, false) && !Operators.truth(input));
        return missing ? bound.or(0, "") : input;
    }

    private static Object attribute(Object input, Args args, Evaluator run) {
        var name = args.bind("attr", "name").text(0);
        return input instanceof Map && run.attributes().attribute(Map.of(), name) instanceof Undefined
                ? new Undefined("a dict has no attribute '" + name + "'")
                : run.attributes().attribute(input, name);
    }

    private static Object map(Object input, Args args, Evaluator run) {
        if (!Operators.truth(input)) {
            return new Generator(List.of().iterator());
        }
        return Generator.mapping(run.operators().iterate(input), mapper(args, run)::apply);
    }

    private static UnaryOperator<Object> mapper(Args args, Evaluator run) {
        if (args.positional().isEmpty() && args.named().containsKey("attribute")) {
            var bound = args.bind("map", "attribute", "default");
            var path = new AttributePath(bound.get(0));
            return item -> {
                var value = path.of(item, run);
                return value instanceof Undefined && bound.set(1) ? bound.get(1) : value;
            };
        }
        var name = name(args, 0, "map");
        return item -> Markup.plain(Filters.apply(name, item, args.rest(), run));
    }

    private static String name(Args args, int index, String filter) {
        if (args.positional().size() > index && args.positional().get(index) instanceof String name) {
            return name;
        }
        throw TemplateException.fault(filter + " needs a name as its argument");
    }

    private static Object select(Object input, Args args, Evaluator run, boolean wanted, boolean byAttribute) {
        if (!Operators.truth(input)) {
            return new Generator(List.of().iterator());
        }
        if (byAttribute && args.positional().isEmpty()) {
            throw TemplateException.fault("the filter needs the name of an attribute");
        }
        var path = new AttributePath(byAttribute ? args.positional().getFirst() : None.NONE);
        var predicate = predicate(byAttribute ? args.rest() : args, run);
        return Generator.filtering(
                run.operators().iterate(input), item -> predicate.test(path.of(item, run)) == wanted);
    }

    private static Predicate<Object> predicate(Args args, Evaluator run) {
        if (args.positional().isEmpty()) {
            return Operators::truth;
        }
        var name = name(args, 0, "select");
        var rest = new Args(args.rest().positional(), new HashMap<>(args.named()));
        return value -> Tests.apply(name, value, rest, run);
    }
}
