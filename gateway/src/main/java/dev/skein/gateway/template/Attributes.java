package dev.skein.gateway.template;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;

/// `value.name` and `value[key]` as the sandbox resolves them: a dot looks for a method first and for a key then, a
/// bracket the other way round; what would change a value is hidden.
final class Attributes {
    private static final Set<String> CHANGING_DICT = Set.of("clear", "pop", "popitem", "setdefault", "update");
    private static final Set<String> CHANGING_LIST =
            Set.of("append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove");

    private final Operators operators;
    private final Budget budget;

    Attributes(Operators operators, Budget budget) {
        this.operators = operators;
        this.budget = budget;
    }

    Object attribute(Object base, String name) {
        if (base instanceof Map<?, ?> map) {
            return dictAttribute(map, name);
        }
        return member(base, name);
    }

    private Object dictAttribute(Map<?, ?> map, String name) {
        var method = member(map, name);
        return method instanceof Undefined && !CHANGING_DICT.contains(name)
                ? operators.lookup(map, name).orElse(method)
                : method;
    }

    /// An attribute that is none of a dict's keys.
    private Object member(Object base, String name) {
        return switch (base) {
            case Undefined undefined -> throw undefined.fault();
            case String text when StringMethods.has(name) -> StringMethods.bound(text, name);
            case Map<?, ?> map -> dictMethod(map, name);
            case List<?> list when !(list instanceof Range) -> listMethod(list, name);
            case Tuple tuple -> tupleMember(tuple, name);
            case Namespace namespace -> namespaceField(namespace, name);
            case LoopState loop -> loop.attribute(name);
            case MacroFunction macro -> macro.attribute(name);
            default -> missing(base, name);
        };
    }

    private static Undefined missing(Object base, String name) {
        return new Undefined("a " + Operators.typeName(base) + " has no attribute '" + name + "'");
    }

    private static Undefined hidden(Object base, String name) {
        return new Undefined("'" + name + "' would change a " + Operators.typeName(base) + ", templates may not");
    }

    private static Object namespaceField(Namespace namespace, String name) {
        var value = namespace.fields().get(name);
        return value == null ? new Undefined("the namespace has no field '" + name + "'") : value;
    }

    private Object dictMethod(Map<?, ?> map, String name) {
        return switch (name) {
            case "get" ->
                new Function(name, (args, run) -> {
                    var bound = args.bind("get", "key", "default");
                    return operators.lookup(map, bound.get(0)).orElse(bound.or(1, None.NONE));
                });
            case "items" -> plain(name, () -> items(map));
            case "keys" -> plain(name, () -> view("dict_keys", map.keySet()));
            case "values" -> plain(name, () -> view("dict_values", map.values()));
            case "copy" -> plain(name, () -> map);
            default -> CHANGING_DICT.contains(name) ? hidden(map, name) : missing(map, name);
        };
    }

    private static Function plain(String name, Supplier<Object> body) {
        return new Function(name, (args, run) -> {
            args.bind(name);
            return body.get();
        });
    }

    DictView items(Map<?, ?> map) {
        budget.elements(map.size());
        var items = new ArrayList<Object>(map.size());
        map.forEach((key, value) -> items.add(Tuple.of(key, value)));
        return new DictView("dict_items", items);
    }

    private DictView view(String kind, Collection<?> items) {
        budget.elements(items.size());
        return new DictView(kind, new ArrayList<>(items));
    }

    private Object listMethod(List<?> list, String name) {
        return switch (name) {
            case "copy" -> plain(name, () -> list);
            default -> CHANGING_LIST.contains(name) ? hidden(list, name) : search(list, list, name);
        };
    }

    private Object tupleMember(Tuple tuple, String name) {
        int named = tuple.names().indexOf(name);
        return named >= 0 ? tuple.items().get(named) : search(tuple, tuple.items(), name);
    }

    private Object search(Object base, List<?> items, String name) {
        return switch (name) {
            case "index" ->
                new Function(
                        name,
                        (args, run) -> indexOf(items, args.bind(name, "value").get(0)));
            case "count" ->
                new Function(name, (args, run) -> {
                    var wanted = args.bind(name, "value").get(0);
                    return items.stream()
                            .filter(item -> operators.equal(item, wanted))
                            .count();
                });
            default -> missing(base, name);
        };
    }

    private Object indexOf(List<?> items, Object wanted) {
        for (int i = 0; i < items.size(); i++) {
            if (operators.equal(items.get(i), wanted)) {
                return (long) i;
            }
        }
        throw TemplateException.fault("the value is not in the list");
    }

    Object item(Object base, Object key) {
        return switch (base) {
            case Undefined undefined -> throw undefined.fault();
            case Map<?, ?> map ->
                Operators.isHashable(key)
                        ? operators.lookup(map, key).orElseGet(() -> memberNamed(map, key))
                        : memberNamed(map, key);
            case String text
            when Numbers.isInteger(key) -> {
                budget.scan(text.length(), 0);
                yield Slices.character(text, key);
            }
            case List<?> list when Numbers.isInteger(key) -> Slices.item(list, key);
            case Tuple tuple when Numbers.isInteger(key) -> Slices.item(tuple.items(), key);
            default -> memberNamed(base, key);
        };
    }

    private Object memberNamed(Object base, Object key) {
        return key instanceof String name && !(base instanceof LoopState)
                ? member(base, name)
                : new Undefined("a " + Operators.typeName(base) + " has no item " + Repr.repr(key, budget));
    }

    Object slice(Object base, Object start, Object stop, Object step) {
        return switch (base) {
            case Undefined undefined -> throw undefined.fault();
            case String text -> {
                budget.chars(text.length());
                yield Slices.slice(text, start, stop, step);
            }
            case List<?> list -> charged(Slices.slice(list, start, stop, step));
            case Tuple tuple -> new Tuple(charged(Slices.slice(tuple.items(), start, stop, step)));
            default -> throw TemplateException.fault("a " + Operators.typeName(base) + " has no slices");
        };
    }

    private List<Object> charged(List<Object> items) {
        budget.elements(items.size());
        return items;
    }
}
