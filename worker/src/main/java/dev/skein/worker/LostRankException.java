package dev.skein.worker;

/** Another rank of the group is gone; the message names it. */
final class LostRankException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    LostRankException(String message) {
        super(message);
    }
}
