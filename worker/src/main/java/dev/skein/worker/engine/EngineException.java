package dev.skein.worker.engine;

import static java.util.Objects.requireNonNull;

/** A request that is not served, or no further. The message is for the client. */
public final class EngineException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** Whose turn it is. */
    public enum Code {
        /** The client must change the request. */
        INVALID_ARGUMENT,
        /** The client may try again later. */
        RESOURCE_EXHAUSTED,
        /** The client may try elsewhere. */
        UNAVAILABLE,
        /** The computation failed. */
        INTERNAL
    }

    private final Code code;

    public EngineException(Code code, String message) {
        super(message);
        this.code = requireNonNull(code, "code is null");
    }

    static EngineException invalid(String format, Object... values) {
        return new EngineException(Code.INVALID_ARGUMENT, format.formatted(values));
    }

    public Code code() {
        return code;
    }
}
