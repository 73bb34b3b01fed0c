package dev.skein.worker.model;

import java.nio.file.Path;

/** What a refusal must be like, whatever was refused. */
final class Refusals {
    /** A hostile name or text must not fill a log. */
    private static final int LONGEST = 4096;

    private Refusals() {}

    static void check(CheckpointException refused, Path file) {
        String message = String.valueOf(refused.getMessage());
        if (!message.startsWith(file + ": ") || message.length() > LONGEST) {
            throw new AssertionError(
                    "a refusal of %,d characters: %.500s".formatted(message.length(), message), refused);
        }
    }
}
