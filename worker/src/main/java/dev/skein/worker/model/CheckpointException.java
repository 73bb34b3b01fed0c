package dev.skein.worker.model;

import java.nio.file.Path;

/** A model file that is damaged, hostile or beyond what is supported: the message names file, place, value and bound. */
public final class CheckpointException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /**
     * @param what the thing in the file, such as "llama.block_count" or "tensor 3's name length"
     * @param value what the file says
     * @param bound what it may say
     */
    public CheckpointException(Path file, String what, Object value, String bound) {
        super("%s: %s is %s, but %s".formatted(file.getFileName(), what, value, bound));
    }

    /** What cannot be put as a value and its bound. */
    public CheckpointException(Path file, String problem) {
        super("%s: %s".formatted(file.getFileName(), problem));
    }
}
