package dev.skein.compute;

/** An operation of a backend failed: the message names the call, its code and what the code means. */
public class ComputeException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final boolean fatal;

    public ComputeException(String message, boolean fatal) {
        super(message);
        this.fatal = fatal;
    }

    /** Whether the backend must be closed and made anew. */
    public boolean fatal() {
        return fatal;
    }
}
