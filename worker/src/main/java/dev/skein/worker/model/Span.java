package dev.skein.worker.model;

/** Whole numbers from (inclusive) to (exclusive): the rows, columns, heads or layers that a rank has. */
public record Span(int from, int to) {
    public Span {
        if (from < 0 || to < from) {
            throw new IllegalArgumentException("from %d to %d is no span".formatted(from, to));
        }
    }

    static Span all(int count) {
        return new Span(0, count);
    }

    public int size() {
        return to - from;
    }

    /** The same of things that are so many each. */
    Span times(int each) {
        return new Span(Math.multiplyExact(from, each), Math.multiplyExact(to, each));
    }
}
