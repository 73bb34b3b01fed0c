package dev.skein.worker.model;

import dev.skein.compute.Buffer;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.StepInputs;
import dev.skein.compute.Weight;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/** Finds every tensor with its shape and loads none. What it hands out only has a size. */
final class CheckedParts implements Parts {
    private final Checkpoint checkpoint;
    private final Set<String> used = new HashSet<>();
    private final Map<String, Integer> tokenColumns = new HashMap<>();
    private final Map<String, Integer> outputColumns = new HashMap<>();

    private record Placeholder(int rows, int columns) implements Weight {
        @Override
        public long bytes() {
            return 0;
        }
    }

    private record Sized(int maxRows, int columns) implements Buffer {}

    CheckedParts(Checkpoint checkpoint) {
        this.checkpoint = checkpoint;
    }

    @Override
    public ModelConfig config() {
        return checkpoint.config();
    }

    @Override
    public Weight weight(Matrix... stacked) {
        HostMatrix first = find(stacked[0]);
        int rows = 0;
        for (Matrix each : stacked) {
            sameType(first, find(each));
            rows += each.rows();
        }
        return new Placeholder(rows, first.columns());
    }

    @Override
    public Weight gatedWeight(Matrix gate, Matrix up) {
        sameType(find(gate), find(up));
        return new Placeholder(gate.rows(), gate.columns());
    }

    @Override
    public Weight table(Matrix matrix) {
        find(matrix);
        return new Placeholder(matrix.rows(), matrix.columns());
    }

    @Override
    public Weight vector(String name, int length) {
        HostMatrix vector = find(new Matrix(name, 1, length));
        if (vector.type().blockElements() > 1) {
            throw new CheckpointException(
                    checkpoint.path(), "the type of " + name, vector.type(), "vectors are F32, F16 or BF16");
        }
        return new Placeholder(1, length);
    }

    private HostMatrix find(Matrix wanted) {
        used.add(wanted.name());
        return checkpoint.matrix(wanted.name(), wanted.rows(), wanted.columns());
    }

    private void sameType(HostMatrix first, HostMatrix other) {
        if (other.type() != first.type()) {
            throw new CheckpointException(
                    checkpoint.path(),
                    "the type of " + other.name(),
                    other.type(),
                    "%s is %s, and both are multiplied as one".formatted(first.name(), first.type()));
        }
    }

    @Override
    public Buffer tokens(String role, int columns) {
        return sized(tokenColumns, role, columns);
    }

    @Override
    public Buffer outputs(String role, int columns) {
        return sized(outputColumns, role, columns);
    }

    private static Buffer sized(Map<String, Integer> all, String role, int columns) {
        int before = all.getOrDefault(role, columns);
        if (before != columns) {
            throw new IllegalStateException("%s has %d columns here and %d there".formatted(role, before, columns));
        }
        all.put(role, columns);
        return new Sized(0, columns);
    }

    @Override
    public List<Decoder.Layer> layers(IntFunction<Decoder.Layer> layer) {
        return IntStream.range(0, config().layers()).mapToObj(layer).toList();
    }

    /** Tensors that nothing asked for would change the results if they were left out. */
    void refuseUnused() {
        for (String name : checkpoint.tensors()) {
            if (!used.contains(name)) {
                throw new CheckpointException(
                        checkpoint.path(),
                        "the tensor %s is not part of a %s model of %d blocks as supported here"
                                .formatted(name, config().family().label(), config().layers()));
            }
        }
    }

    /** Bytes of all buffers. */
    long bufferBytes(StepInputs.Limits limits) {
        return Float.BYTES * (limits.tokens() * sum(tokenColumns) + limits.outputs() * sum(outputColumns));
    }

    private static long sum(Map<String, Integer> columns) {
        return columns.values().stream().mapToLong(Integer::longValue).sum();
    }
}
