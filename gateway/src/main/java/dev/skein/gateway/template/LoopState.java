package dev.skein.gateway.template;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// The `loop` variable, and the iteration behind it: it looks ahead by one item at most, and reads a generator to its
/// end only when asked for a length.
final class LoopState {
    private final @Nullable Recursion recursion;
    private final long depth0;
    private Iterator<Object> items;
    private long length;
    private long index0 = -1;
    private @Nullable Object before;
    private @Nullable Object current;
    private @Nullable Object after;
    private @Nullable Object lastChanged;

    /// Renders the loop again over inner items, for `loop(...)` in a recursive loop.
    @FunctionalInterface
    interface Recursion {
        Object render(Object iterable, long depth0);
    }

    /// @param length number of items, or -1 when it is not known before they are read
    LoopState(Iterator<Object> items, long length, @Nullable Recursion recursion, long depth0) {
        this.items = items;
        this.length = length;
        this.recursion = recursion;
        this.depth0 = depth0;
    }

    boolean hasNext() {
        return after != null || items.hasNext();
    }

    Object next() {
        var item = after != null ? after : items.next();
        after = null;
        index0++;
        before = current;
        current = item;
        return item;
    }

    private @Nullable Object peek() {
        if (after == null && items.hasNext()) {
            after = items.next();
        }
        return after;
    }

    private long length() {
        if (length < 0) {
            var rest = new ArrayList<Object>();
            items.forEachRemaining(rest::add);
            items = rest.iterator();
            length = rest.size() + index0 + 1 + (after == null ? 0 : 1);
        }
        return length;
    }

    Object attribute(String name) {
        return switch (name) {
            case "index" -> index0 + 1;
            case "index0" -> index0;
            case "revindex" -> length() - index0;
            case "revindex0" -> length() - index0 - 1;
            case "first" -> index0 == 0;
            case "last" -> peek() == null;
            case "length" -> length();
            case "depth" -> depth0 + 1;
            case "depth0" -> depth0;
            case "previtem" -> before == null ? new Undefined("there is no previous item") : before;
            case "nextitem" -> or(peek(), "there is no next item");
            case "cycle" -> new Function("cycle", (args, run) -> cycle(args.positional()));
            case "changed" -> new Function("changed", (args, run) -> changed(new Tuple(args.positional()), run));
            default -> new Undefined("'loop' has no attribute '" + name + "'");
        };
    }

    private static Object or(@Nullable Object value, String reason) {
        return value == null ? new Undefined(reason) : value;
    }

    private Object cycle(List<Object> choices) {
        if (choices.isEmpty()) {
            throw TemplateException.fault("loop.cycle() needs at least one item");
        }
        return choices.get((int) (index0 % choices.size()));
    }

    private boolean changed(Tuple values, Evaluator run) {
        boolean changed = lastChanged == null || !run.operators().equal(lastChanged, values);
        lastChanged = values;
        return changed;
    }

    Object call(Args args) {
        if (recursion == null) {
            throw TemplateException.fault("'loop' can be called only in a loop marked 'recursive'");
        }
        return recursion.render(args.bind("loop()", "iterable").get(0), depth0 + 1);
    }

    @Override
    public String toString() {
        return "<LoopContext " + (index0 + 1) + "/" + length() + ">";
    }
}
