package dev.skein.gateway.template;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/// Python's indices and slices: negative ones count from the end, slices never fail.
final class Slices {
    private Slices() {}

    /// The item at an index, or undefined beyond the ends.
    static Object item(List<?> items, Object index) {
        long wanted = index(index, items.size());
        return wanted < 0 || wanted >= items.size() ? outside() : items.get((int) wanted);
    }

    static Object character(String text, Object index) {
        int size = text.codePointCount(0, text.length());
        long wanted = index(index, size);
        if (wanted < 0 || wanted >= size) {
            return outside();
        }
        return Character.toString(text.codePointAt(text.offsetByCodePoints(0, (int) wanted)));
    }

    private static Undefined outside() {
        return new Undefined("the index is out of range");
    }

    private static long index(Object index, int size) {
        return switch (index) {
            case Boolean flag -> flag ? 1 : 0;
            case Long number -> number < 0 ? number + size : number;
            default -> -1;
        };
    }

    static List<Object> slice(List<?> items, Object start, Object stop, Object step) {
        var out = new ArrayList<Object>();
        indices(items.size(), start, stop, step).forEach(i -> out.add(items.get(i)));
        return out;
    }

    static String slice(String text, Object start, Object stop, Object step) {
        int size = text.codePointCount(0, text.length());
        if (size == text.length()) {
            var out = new StringBuilder();
            indices(size, start, stop, step).forEach(i -> out.append(text.charAt(i)));
            return out.toString();
        }
        var points = text.codePoints().toArray();
        var out = new StringBuilder();
        indices(size, start, stop, step).forEach(i -> out.appendCodePoint(points[i]));
        return out.toString();
    }

    private static IntStream indices(int size, Object start, Object stop, Object step) {
        long stride = bound(step, 1);
        if (stride == 0) {
            throw TemplateException.fault("a slice needs a step other than 0");
        }
        boolean forward = stride > 0;
        long low = forward ? 0 : -1;
        long high = forward ? size : size - 1L;
        long from = start == None.NONE ? (forward ? low : high) : clamp(bound(start, 0), size, low, high);
        long to = stop == None.NONE ? (forward ? high : low) : clamp(bound(stop, 0), size, low, high);
        long count = forward ? ceilDiv(to - from, stride) : ceilDiv(from - to, -stride);
        return IntStream.range(0, (int) Math.max(0, count)).map(i -> (int) (from + i * stride));
    }

    private static long ceilDiv(long distance, long stride) {
        return distance <= 0 || stride < 0 ? 0 : (distance - 1) / stride + 1;
    }

    private static long clamp(long index, int size, long low, long high) {
        return Math.clamp(index < 0 ? index + size : index, low, high);
    }

    private static long bound(Object value, long otherwise) {
        return switch (value) {
            case None _ -> otherwise;
            case Boolean flag -> flag ? 1 : 0;
            case Long number -> Math.clamp(number, Integer.MIN_VALUE, Integer.MAX_VALUE);
            case Undefined undefined -> throw undefined.fault();
            default -> throw TemplateException.fault("a slice needs integers, got " + Operators.typeName(value));
        };
    }
}
