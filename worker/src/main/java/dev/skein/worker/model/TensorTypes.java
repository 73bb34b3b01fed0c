package dev.skein.worker.model;

import dev.skein.compute.ElementType;
import java.util.Map;
import java.util.Optional;

/** The numbers of tensor types in a GGUF file (enum ggml_type of ggml-org/ggml): those that are read, and names of others. */
final class TensorTypes {
    private static final Map<Integer, ElementType> SUPPORTED = Map.ofEntries(
            Map.entry(0, ElementType.F32),
            Map.entry(1, ElementType.F16),
            Map.entry(2, ElementType.Q4_0),
            Map.entry(3, ElementType.Q4_1),
            Map.entry(6, ElementType.Q5_0),
            Map.entry(7, ElementType.Q5_1),
            Map.entry(8, ElementType.Q8_0),
            Map.entry(10, ElementType.Q2_K),
            Map.entry(11, ElementType.Q3_K),
            Map.entry(12, ElementType.Q4_K),
            Map.entry(13, ElementType.Q5_K),
            Map.entry(14, ElementType.Q6_K),
            Map.entry(20, ElementType.IQ4_NL),
            Map.entry(30, ElementType.BF16));

    private static final Map<Integer, String> OTHERS = Map.ofEntries(
            Map.entry(9, "Q8_1"),
            Map.entry(15, "Q8_K"),
            Map.entry(16, "IQ2_XXS"),
            Map.entry(17, "IQ2_XS"),
            Map.entry(18, "IQ3_XXS"),
            Map.entry(19, "IQ1_S"),
            Map.entry(21, "IQ3_S"),
            Map.entry(22, "IQ2_S"),
            Map.entry(23, "IQ4_XS"),
            Map.entry(24, "I8"),
            Map.entry(25, "I16"),
            Map.entry(26, "I32"),
            Map.entry(27, "I64"),
            Map.entry(28, "F64"),
            Map.entry(29, "IQ1_M"),
            Map.entry(34, "TQ1_0"),
            Map.entry(35, "TQ2_0"),
            Map.entry(39, "MXFP4"));

    private TensorTypes() {}

    static Optional<ElementType> supported(int number) {
        return Optional.ofNullable(SUPPORTED.get(number));
    }

    static Optional<String> unsupportedName(int number) {
        return Optional.ofNullable(OTHERS.get(number));
    }

    static int number(ElementType type) {
        return SUPPORTED.entrySet().stream()
                .filter(entry -> entry.getValue() == type)
                .findFirst()
                .orElseThrow()
                .getKey();
    }
}
