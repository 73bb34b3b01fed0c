package dev.skein.gateway.template;

import java.util.AbstractList;

/// A Python range: a list that makes its items when asked.
final class Range extends AbstractList<Object> {
    private static final int SANDBOX_BOUND = 100_000;

    private final long start;
    private final long stop;
    private final long step;
    private final int size;

    Range(long start, long stop, long step) {
        if (step == 0) {
            throw TemplateException.fault("range() needs a step other than 0");
        }
        this.start = start;
        this.stop = stop;
        this.step = step;
        this.size = size(start, stop, step);
    }

    private static int size(long start, long stop, long step) {
        boolean empty = step > 0 ? start >= stop : start <= stop;
        double count = Math.ceil(((double) stop - start) / step);
        if (!empty && count > SANDBOX_BOUND) {
            throw TemplateException.fault("range() may have at most " + SANDBOX_BOUND + " items");
        }
        return empty ? 0 : (int) count;
    }

    @Override
    public Object get(int index) {
        return start + index * step;
    }

    @Override
    public int size() {
        return size;
    }

    @Override
    public String toString() {
        return "range(" + start + ", " + stop + (step == 1 ? "" : ", " + step) + ")";
    }
}
