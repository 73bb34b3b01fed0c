package dev.skein.compute.collective;

/**
 * The call that an end is in, as numbers that ends compare: an end that makes another call than the others is found out
 * before it can read their bytes as something they are not.
 */
final class Call {
    private long number;
    private long what;
    private long bytes;
    /** Differs between ends that have not made the same calls so far, this one included. */
    private long history;

    void begin(Operation operation, int root, long length) {
        number++;
        what = operation.what(root);
        bytes = length;
        note(what);
        note(bytes);
    }

    /** Adds what else must be the same on all ends. */
    void note(long detail) {
        history = Long.rotateLeft((history ^ detail) * 0x9e3779b97f4a7c15L, 29);
    }

    long what() {
        return what;
    }

    long bytes() {
        return bytes;
    }

    long history() {
        return history;
    }

    boolean sameAs(long otherWhat, long otherBytes, long otherHistory) {
        return otherHistory == history && otherWhat == what && otherBytes == bytes;
    }

    /** Why another end's numbers are not these. */
    String mismatch(int other, long otherWhat, long otherBytes, int self) {
        String mine = Operation.describe(what, bytes);
        String theirs = Operation.describe(otherWhat, otherBytes);
        return mine.equals(theirs)
                ? "rank %d has made other calls than rank %d before %s, or gives other lengths"
                        .formatted(other, self, mine)
                : "rank %d is at %s where rank %d is at %s".formatted(other, theirs, self, mine);
    }

    @Override
    public String toString() {
        return "%s (call %d)".formatted(Operation.describe(what, bytes), number);
    }
}
