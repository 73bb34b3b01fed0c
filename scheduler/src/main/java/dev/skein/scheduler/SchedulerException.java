package dev.skein.scheduler;

/// A wish that cannot be met. The message is for whoever wished.
public final class SchedulerException extends RuntimeException {

    /// What kind of wish it was.
    public enum Kind {
        /// There is nothing of that name.
        NOT_FOUND,
        /// It can never be met.
        INVALID,
        /// It cannot be met now.
        NOT_NOW,
        /// It may have been met or not.
        UNSURE
    }

    private static final long serialVersionUID = 1;

    private final Kind kind;

    SchedulerException(Kind kind, String message) {
        super(message, null, false, false);
        this.kind = kind;
    }

    /// @param message says how to find out
    public static SchedulerException unsure(String message) {
        return new SchedulerException(Kind.UNSURE, message);
    }

    public Kind kind() {
        return kind;
    }
}
