package dev.skein.worker.model;

import java.util.Comparator;
import java.util.Map;
import java.util.function.Function;
import java.util.function.ToLongFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Which type most of a model is kept in. */
final class MostBytes {
    private MostBytes() {}

    /** The name under which most bytes lie; empty if there are none. */
    static <T> String of(Stream<T> tensors, Function<T, String> type, ToLongFunction<T> bytes) {
        return tensors.collect(Collectors.groupingBy(type, Collectors.summingLong(bytes))).entrySet().stream()
                .max(Comparator.comparingLong(Map.Entry::getValue))
                .map(Map.Entry::getKey)
                .orElse("");
    }
}
