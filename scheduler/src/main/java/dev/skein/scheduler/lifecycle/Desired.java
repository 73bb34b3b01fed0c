package dev.skein.scheduler.lifecycle;

/// What is wanted of a group: that it serves, or that it drains and goes.
///
/// @param drainMillis how long a rank may take to finish its streams once it is told to drain
public record Desired(GroupSpec spec, boolean serving, long drainMillis) {

    public static Desired serving(GroupSpec spec) {
        return new Desired(spec, true, 0);
    }

    public Desired draining(long millis) {
        return new Desired(spec, false, millis);
    }
}
