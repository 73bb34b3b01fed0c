package dev.skein.worker.model;

import java.util.Locale;
import java.util.Optional;

/** Types of metadata values; the ordinal is the number in the file (GGUF specification, ggml-org/ggml docs/gguf.md). */
enum GgufValueType {
    UINT8(1),
    INT8(1),
    UINT16(2),
    INT16(2),
    UINT32(4),
    INT32(4),
    FLOAT32(4),
    BOOL(1),
    STRING(0),
    ARRAY(0),
    UINT64(8),
    INT64(8),
    FLOAT64(8);

    private static final GgufValueType[] ALL = values();

    private final int bytes;

    GgufValueType(int bytes) {
        this.bytes = bytes;
    }

    static Optional<GgufValueType> numbered(int number) {
        return number < 0 || number >= ALL.length ? Optional.empty() : Optional.of(ALL[number]);
    }

    /** 0 for types whose values differ in size. */
    int bytes() {
        return bytes;
    }

    boolean integer() {
        return switch (this) {
            case UINT8, INT8, UINT16, INT16, UINT32, INT32, UINT64, INT64 -> true;
            case FLOAT32, FLOAT64, BOOL, STRING, ARRAY -> false;
        };
    }

    boolean signed() {
        return this == INT8 || this == INT16 || this == INT32 || this == INT64;
    }

    String print(long value) {
        return this == UINT64 ? Long.toUnsignedString(value) : Long.toString(value);
    }

    String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
