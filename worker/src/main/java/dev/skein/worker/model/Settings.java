package dev.skein.worker.model;

import java.util.OptionalInt;

/** A configuration's integers, and the complaints about them in the words of their format. */
interface Settings {
    /** Of all layers; the largest models of today have some 25,000. */
    int MAX_EXPERTS = 1 << 17;

    /**
     * Empty where it is missing.
     *
     * @throws CheckpointException if it is no integer, or out of its bounds
     */
    OptionalInt integer(Setting setting);

    /** That a setting cannot be what it is. */
    CheckpointException refused(Setting setting, Object value, String bound);

    /** That a setting must be there and is not. */
    CheckpointException missing(Setting setting);

    default int required(Setting setting) {
        return integer(setting).orElseThrow(() -> missing(setting));
    }

    /** How many experts a layer has, and all layers together as many as can be looked for one by one. */
    default int expertCount() {
        int count = required(Setting.EXPERTS);
        int layers = required(Setting.LAYERS);
        if ((long) count * layers > MAX_EXPERTS) {
            throw refused(
                    Setting.EXPERTS, count, "%d layers may have %d experts at most".formatted(layers, MAX_EXPERTS));
        }
        return count;
    }

    /** The heads, with 1 / sqrt(size) as scale. */
    default ModelConfig.Heads heads() {
        int queries = required(Setting.QUERY_HEADS);
        int keyValues = integer(Setting.KEY_VALUE_HEADS).orElse(queries);
        if (queries % keyValues != 0) {
            throw refused(
                    Setting.QUERY_HEADS, queries, "it must be a multiple of the key and value heads, " + keyValues);
        }
        int size = headSize(queries);
        return new ModelConfig.Heads(queries, keyValues, size, (float) (1 / Math.sqrt(size)));
    }

    private int headSize(int queries) {
        int hidden = required(Setting.HIDDEN);
        OptionalInt given = integer(Setting.HEAD_SIZE);
        if (given.isPresent() && given.getAsInt() % 2 != 0) {
            throw refused(Setting.HEAD_SIZE, given.getAsInt(), "positions turn elements in pairs: it must be even");
        }
        if (given.isEmpty() && (hidden % queries != 0 || hidden / queries % 2 != 0 || hidden < queries)) {
            throw refused(Setting.QUERY_HEADS, queries, "%d elements need even heads".formatted(hidden));
        }
        return given.orElse(hidden / queries);
    }
}
