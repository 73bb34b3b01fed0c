package dev.skein.worker.model;

import dev.skein.compute.ElementType;
import java.util.Optional;

/** Types of elements that a safetensors file may name. Weights are of few of them. */
enum SafetensorsType {
    F64(8),
    F32(4),
    F16(2),
    BF16(2),
    F8_E4M3(1),
    F8_E5M2(1),
    I64(8),
    I32(4),
    I16(2),
    I8(1),
    U64(8),
    U32(4),
    U16(2),
    U8(1),
    BOOL(1);

    private final int bytes;

    SafetensorsType(int bytes) {
        this.bytes = bytes;
    }

    static Optional<SafetensorsType> named(String name) {
        for (SafetensorsType type : values()) {
            if (type.name().equals(name)) {
                return Optional.of(type);
            }
        }
        return Optional.empty();
    }

    int bytes() {
        return bytes;
    }

    /** As what weights of this type are computed; empty where none are. */
    Optional<ElementType> element() {
        return switch (this) {
            case F32 -> Optional.of(ElementType.F32);
            case F16 -> Optional.of(ElementType.F16);
            // What 8 bits and their scale say, BF16 holds.
            case BF16, F8_E4M3 -> Optional.of(ElementType.BF16);
            case F64, F8_E5M2, I64, I32, I16, I8, U64, U32, U16, U8, BOOL -> Optional.empty();
        };
    }
}
