package dev.skein.compute.collective;

import dev.skein.compute.ComputeException;

/** A rank did not come, left, or said something else than was due. The collective cannot be used any more. */
public final class CollectiveException extends ComputeException {
    private static final long serialVersionUID = 1L;

    private final int missing;

    /**
     * @param missing the rank that is the reason
     * @param message names it, the call, and how long was waited
     */
    public CollectiveException(int missing, String message) {
        super(message, true);
        this.missing = missing;
    }

    /** The rank that is the reason. */
    public int missing() {
        return missing;
    }
}
