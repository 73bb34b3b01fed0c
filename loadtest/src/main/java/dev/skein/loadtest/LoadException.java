package dev.skein.loadtest;

/// The test cannot be made, or nothing came of it; the message is for its user.
public final class LoadException extends RuntimeException {
    LoadException(String message) {
        super(message);
    }
}
