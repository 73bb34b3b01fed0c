package dev.skein.gateway.template;

import dev.skein.gateway.template.Filters.Filter;
import dev.skein.gateway.template.TextFilters.AttributePath;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.Function;

/// Filters over lists and dicts as a whole: order, size, parts.
final class SequenceFilters {
    static final Map<String, Filter> ALL = Map.ofEntries(
            Map.entry("batch", SequenceFilters::batch),
            Map.entry("count", plain(SequenceFilters::length)),
            Map.entry("dictsort", SequenceFilters::dictSort),
            Map.entry("first", plain(SequenceFilters::first)),
            Map.entry("groupby", SequenceFilters::groupBy),
            Map.entry("items", plain(SequenceFilters::items)),
            Map.entry("last", plain(SequenceFilters::last)),
            Map.entry("length", plain(SequenceFilters::length)),
            Map.entry("list", plain((input, run) -> run.operators().list(input))),
            Map.entry("max", (input, args, run) -> extreme("max", input, args, run)),
            Map.entry("min", (input, args, run) -> extreme("min", input, args, run)),
            Map.entry("reverse", plain(SequenceFilters::reverse)),
            Map.entry("slice", SequenceFilters::slice),
            Map.entry("sort", SequenceFilters::sort),
            Map.entry("sum", SequenceFilters::sum),
            Map.entry("unique", SequenceFilters::unique));

    private SequenceFilters() {}

    private static Filter plain(BiFunction<Object, Evaluator, Object> function) {
        return (input, args, run) -> {
            args.bind("the filter");
            return function.apply(input, run);
        };
    }

    private static Object length(Object input, Evaluator run) {
        long size = run.operators().size(input);
        if (size < 0) {
            throw TemplateException.fault("a " + Operators.typeName(input) + " has no length");
        }
        return size;
    }

    private static Object first(Object input, Evaluator run) {
        var items = run.operators().iterate(input);
        return items.hasNext() ? items.next() : new Undefined("the sequence is empty, it has no first item");
    }

    private static List<Object> reversible(Object input, Evaluator run) {
        if (run.operators().size(input) < 0) {
            throw TemplateException.fault("a " + Operators.typeName(input) + " has no last item, use '|list' first");
        }
        return run.operators().list(input);
    }

    private static Object last(Object input, Evaluator run) {
        var items = reversible(input, run);
        return items.isEmpty() ? new Undefined("the sequence is empty, it has no last item") : items.getLast();
    }

    private static Object reverse(Object input, Evaluator run) {
        if (input instanceof String text) {
            return run.attributes().slice(text, None.NONE, None.NONE, -1L);
        }
        var reversed = run.operators().list(input).reversed();
        return input instanceof Generator ? new ArrayList<>(reversed) : new Generator(reversed.iterator());
    }

    private static Object items(Object input, Evaluator run) {
        return switch (input) {
            case Undefined _ -> new Generator(List.of().iterator());
            case Map<?, ?> map ->
                new Generator(run.attributes().items(map).items().iterator());
            default -> throw TemplateException.fault("items needs a dict, got " + Operators.typeName(input));
        };
    }

    private static Function<Object, Object> key(Object attribute, boolean caseSensitive, Evaluator run) {
        var path = new AttributePath(attribute);
        return item -> folded(path.of(item, run), caseSensitive, run);
    }

    private static Object folded(Object value, boolean caseSensitive, Evaluator run) {
        return value instanceof String text && !caseSensitive ? run.budget().made(Text.lower(text)) : value;
    }

    private static Object sort(Object input, Args args, Evaluator run) {
        var bound = args.bind("sort", "reverse", "case_sensitive", "attribute");
        boolean caseSensitive = bound.truth(1, false);
        var key = keys(bound.or(2, None.NONE), caseSensitive, run);
        return run.ordering().sorted(run.operators().list(input), key, bound.truth(0, false));
    }

    /// One or several attributes, always as a tuple: Python compares these by equality first.
    private static Function<Object, Object> keys(Object attribute, boolean caseSensitive, Evaluator run) {
        List<?> names = attribute instanceof String text ? Text.split(text, ",", -1) : List.of(attribute);
        var keys = names.stream().map(name -> key(name, caseSensitive, run)).toList();
        return item -> new Tuple(keys.stream().map(key -> key.apply(item)).toList());
    }

    private static Object dictSort(Object input, Args args, Evaluator run) {
        var bound = args.bind("dictsort", "case_sensitive", "by", "reverse");
        boolean caseSensitive = bound.truth(0, false);
        int part = List.of("key", "value").indexOf(bound.text(1, "key"));
        if (part < 0 || !(input instanceof Map<?, ?> map)) {
            throw TemplateException.fault("dictsort sorts a dict by 'key' or 'value'");
        }
        return run.ordering()
                .sorted(
                        run.attributes().items(map).items(),
                        item -> folded(((Tuple) item).items().get(part), caseSensitive, run),
                        bound.truth(2, false));
    }

    private static Object extreme(String name, Object input, Args args, Evaluator run) {
        var bound = args.bind(name, "case_sensitive", "attribute");
        var key = key(bound.or(1, None.NONE), bound.truth(0, false), run);
        var items = run.operators().iterate(input);
        if (!items.hasNext()) {
            return new Undefined("the sequence is empty, it has no " + name);
        }
        int wanted = name.equals("max") ? 1 : -1;
        var best = items.next();
        var bestKey = key.apply(best);
        while (items.hasNext()) {
            var item = items.next();
            var itemKey = key.apply(item);
            if (Integer.signum(run.ordering().compare(itemKey, bestKey)) == wanted) {
                best = item;
                bestKey = itemKey;
            }
        }
        return best;
    }

    private static Object sum(Object input, Args args, Evaluator run) {
        var bound = args.bind("sum", "attribute", "start");
        var path = new AttributePath(bound.or(0, None.NONE));
        var total = bound.or(1, 0L);
        var items = run.operators().iterate(input);
        while (items.hasNext()) {
            total = run.operators().binary(Expr.Operator.ADD, total, path.of(items.next(), run));
        }
        return total;
    }

    private static Object unique(Object input, Args args, Evaluator run) {
        var bound = args.bind("unique", "case_sensitive", "attribute");
        var key = key(bound.or(1, None.NONE), bound.truth(0, false), run);
        var seen = new ArrayList<Object>();
        return Generator.filtering(run.operators().iterate(input), item -> {
            var value = key.apply(item);
            Operators.checkHashable(value);
            boolean isNew = !run.operators().contains(seen, value);
            run.budget().elements(isNew ? 1 : 0);
            return isNew && seen.add(value);
        });
    }

    private static Object groupBy(Object input, Args args, Evaluator run) {
        var bound = args.bind("groupby", "attribute", "default", "case_sensitive");
        var path = new AttributePath(bound.get(0));
        Function<Object, Object> value = item -> {
            var found = path.of(item, run);
            return found instanceof Undefined && bound.set(1) ? bound.get(1) : found;
        };
        Function<Object, Object> key = item -> folded(value.apply(item), bound.truth(2, false), run);
        var groups = new ArrayList<Object>();
        List<Object> group = List.of();
        for (var item : run.ordering().sorted(run.operators().list(input), key, false)) {
            boolean same = !group.isEmpty() && run.operators().equal(key.apply(group.getFirst()), key.apply(item));
            if (!same) {
                group = new ArrayList<>();
                groups.add(new Tuple(List.of(value.apply(item), group), List.of("grouper", "list")));
            }
            group.add(item);
        }
        return groups;
    }

    private static Object batch(Object input, Args args, Evaluator run) {
        var bound = args.bind("batch", "linecount", "fill_with");
        long size = bound.integer(0);
        var batches = new ArrayList<Object>();
        List<Object> batch = List.of();
        for (var item : run.operators().list(input)) {
            if (batches.isEmpty() || batch.size() == size) {
                batch = new ArrayList<>();
                batches.add(batch);
            }
            batch.add(item);
        }
        if (bound.set(1) && !batches.isEmpty()) {
            run.budget().elements(Math.max(0, size - batch.size()));
            while (batch.size() < size) {
                batch.add(bound.get(1));
            }
        }
        return new Generator(batches.iterator());
    }

    private static Object slice(Object input, Args args, Evaluator run) {
        var bound = args.bind("slice", "slices", "fill_with");
        long count = bound.integer(0);
        if (count == 0) {
            throw TemplateException.fault("slice needs a number of slices other than 0");
        }
        var items = run.operators().list(input);
        run.budget().elements(Math.max(0, count) * 2);
        var slices = new ArrayList<Object>();
        long each = Math.floorDiv(items.size(), count);
        long longer = Math.floorMod(items.size(), count);
        int start = 0;
        for (long i = 0; i < count; i++) {
            int end = (int) (start + each + (i < longer ? 1 : 0));
            var slice = new ArrayList<>(items.subList(start, end));
            if (bound.set(1) && i >= longer) {
                slice.add(bound.get(1));
            }
            slices.add(slice);
            start = end;
        }
        return new Generator(slices.iterator());
    }
}
