package dev.skein.scheduler.rollout;

/// What a group takes of a machine.
///
/// @param threads that compute, over all its ranks
/// @param bytes of memory, over all its ranks; 0 where that is not known
public record Needs(int threads, long bytes) {
    public static final Needs NOTHING = new Needs(0, 0);

    public Needs {
        if (threads < 0 || bytes < 0) {
            throw new IllegalArgumentException("needs of " + threads + " threads and " + bytes + " bytes");
        }
    }

    public Needs plus(Needs other) {
        return new Needs(threads + other.threads, bytes + other.bytes);
    }
}
