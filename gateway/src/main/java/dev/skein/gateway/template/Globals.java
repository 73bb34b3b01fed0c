package dev.skein.gateway.template;

import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;

/// The names every template knows, unless a variable hides them.
final class Globals {
    static final Map<String, Object> ALL = functions(Map.of(
            "range", (args, run) -> range(args),
            "dict", Globals::dict,
            "namespace", Globals::namespace,
            "joiner", (args, run) -> joiner(args.bind("joiner", "sep").text(0, ", ")),
            "cycler", (args, run) -> cycler(args.positional()),
            "raise_exception",
                    (args, run) -> {
                        throw TemplateException.raised(
                                Repr.str(args.bind("raise_exception", "message").get(0), run.budget()));
                    },
            "strftime_now",
                    (args, run) -> {
                        var pattern = args.bind("strftime_now", "format").text(0);
                        run.budget().chars(Strftime.LONGEST_DIRECTIVE * (long) pattern.length());
                        return Strftime.format(pattern, run.now());
                    }));

    private Globals() {}

    private static Map<String, Object> functions(Map<String, Function.Body> bodies) {
        var functions = new HashMap<String, Object>();
        bodies.forEach((name, body) -> functions.put(name, new Function(name, body)));
        return Map.copyOf(functions);
    }

    private static Object range(Args args) {
        var bound = args.bind("range", "start", "stop", "step");
        boolean one = !bound.has(1);
        return new Range(one ? 0 : bound.integer(0), bound.integer(one ? 0 : 1), bound.integer(2, 1L));
    }

    private static Map<String, Object> dict(Args args, Evaluator run) {
        var dict = new LinkedHashMap<String, Object>();
        if (!args.positional().isEmpty()) {
            addAll(dict, args.positional().getFirst(), run);
        }
        dict.putAll(args.named());
        run.budget().elements(dict.size());
        return dict;
    }

    private static void addAll(Map<String, Object> dict, Object source, Evaluator run) {
        var entries = source instanceof Map<?, ?> map ? run.attributes().items(map) : source;
        run.operators().iterate(entries).forEachRemaining(entry -> {
            var pair = run.operators().list(entry);
            if (pair.size() != 2 || !(pair.getFirst() instanceof String key)) {
                throw TemplateException.fault("dict() and namespace() take pairs of a string and a value");
            }
            dict.put(key, pair.getLast());
        });
    }

    private static Object namespace(Args args, Evaluator run) {
        var namespace = new Namespace();
        namespace.fields().putAll(dict(args, run));
        return namespace;
    }

    private static Object joiner(String separator) {
        var used = new AtomicBoolean();
        return new Function("joiner", (args, run) -> used.getAndSet(true) ? separator : "");
    }

    private static Object cycler(List<Object> items) {
        if (items.isEmpty()) {
            throw TemplateException.fault("cycler() needs at least one item");
        }
        var cycler = new Namespace();
        var fields = cycler.fields();
        fields.put("current", items.getFirst());
        fields.put("reset", new Function("reset", (args, run) -> {
            fields.put("current", items.getFirst());
            fields.put("index", 0L);
            return None.NONE;
        }));
        fields.put("next", new Function("next", (args, run) -> {
            long index = fields.get("index") instanceof Long at ? at : 0;
            fields.put("index", (index + 1) % items.size());
            fields.put("current", items.get((int) ((index + 1) % items.size())));
            return items.get((int) index);
        }));
        return cycler;
    }
}
