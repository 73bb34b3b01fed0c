package dev.skein.worker.model;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.ElementType;
import dev.skein.compute.ExpertWeights;
import dev.skein.compute.OwnMemory;
import dev.skein.compute.StepInputs;
import dev.skein.compute.Weight;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;
import java.util.function.ToLongFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Finds every tensor with its shape and loads none. What it hands out only has a size. */
final class CheckedParts implements Parts {
    private final Checkpoint checkpoint;
    private final Shard shard;
    private final Set<String> used = new HashSet<>();
    private final Map<String, Integer> tokenColumns = new HashMap<>();
    private final Map<String, Integer> outputColumns = new HashMap<>();
    private final List<ToLongFunction<OwnMemory>> weights = new ArrayList<>();
    private long largestWeight;

    private record Placeholder(int rows, int columns) implements Weight {
        @Override
        public long bytes() {
            return 0;
        }
    }

    private record Sized(int maxRows, int columns) implements Buffer {}

    private long weightBytes;

    CheckedParts(Checkpoint checkpoint, Shard shard) {
        this.checkpoint = checkpoint;
        this.shard = shard;
    }

    @Override
    public ModelConfig config() {
        return checkpoint.config();
    }

    @Override
    public Shard shard() {
        return shard;
    }

    @Override
    public boolean embeds() {
        return checkpoint.embedding().isPresent();
    }

    private record PlaceholderExperts(int count, int hidden, int inner) implements ExpertWeights {
        @Override
        public long bytes() {
            return 0;
        }
    }

    @Override
    public Weight weight(Matrix... stacked) {
        int rows = Stream.of(stacked).mapToInt(each -> each.takenRows().size()).sum();
        return multiplied(rows, rows, stacked);
    }

    private Weight multiplied(int outputs, int rows, Matrix... matrices) {
        List<ElementType> types = Stream.of(matrices).map(this::count).toList();
        int columns = matrices[0].takenColumns().size();
        weights.add(memory -> memory.weightBytes(types, rows, columns));
        largestWeight = Math.max(largestWeight, (long) rows * columns);
        return new Placeholder(outputs, columns);
    }

    @Override
    public Weight gatedWeight(Matrix gate, Matrix up) {
        return multiplied(
                gate.takenRows().size(),
                gate.takenRows().size() + up.takenRows().size(),
                gate,
                up);
    }

    private ElementType count(Matrix matrix) {
        ElementType type = type(matrix);
        weightBytes += matrix.bytes(type);
        return type;
    }

    /** It is read where its file is mapped. */
    @Override
    public Weight table(Matrix matrix) {
        type(matrix);
        weights.add(memory -> memory.tableBytes(matrix.rows(), matrix.columns()));
        return new Placeholder(matrix.rows(), matrix.columns());
    }

    @Override
    public Weight vector(String name, int length) {
        return stackedVector(new Matrix(name, 1, length));
    }

    @Override
    public Weight firstRow(Matrix matrix) {
        return stackedVector(matrix);
    }

    @Override
    public Weight stackedVector(Matrix... stacked) {
        int length = 0;
        for (Matrix each : stacked) {
            ElementType type = type(each);
            if (type.blockElements() > 1) {
                throw new CheckpointException(
                        checkpoint.path(), "the type of " + each.name(), type, "vectors are F32, F16 or BF16");
            }
            length += each.takenColumns().size();
        }
        weightBytes += (long) Float.BYTES * length;
        return new Placeholder(1, length);
    }

    @Override
    public ExpertWeights experts(List<Matrix> gate, List<Matrix> up, List<Matrix> down) {
        for (Matrix each : Stream.of(gate, up, down).flatMap(List::stream).toList()) {
            count(each);
            weights.add(memory -> memory.expertBytes(
                    each.takenRows().size(), each.takenColumns().size()));
        }
        Matrix first = gate.getFirst();
        return new PlaceholderExperts(
                gate.size(), first.columns(), first.takenRows().size());
    }

    @Override
    public ElementType type(Matrix wanted) {
        used.add(checkpoint.holder(wanted.name()));
        return checkpoint.type(wanted.name(), wanted.rows(), wanted.columns());
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
        return IntStream.range(shard.layers().from(), shard.layers().to())
                .mapToObj(layer)
                .toList();
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

    /** Bytes of all weights as they lie in the files, but for the embedding table, which stays there. */
    long weightBytes() {
        return weightBytes;
    }

    /** Bytes of all weights on a device with its own memory, but for vectors, which are small. */
    long weightBytes(OwnMemory memory) {
        return weights.stream().mapToLong(each -> each.applyAsLong(memory)).sum();
    }

    /** Elements of the largest that is not an expert's. */
    long largestWeight() {
        return largestWeight;
    }

    /** Bytes of all buffers, and of what a backend holds to compute experts, as {@link Backend#experts} says. */
    long bufferBytes(StepInputs.Limits limits) {
        long expert = 3L * config().hidden() + 2L * shard.expertFeedForward().size();
        return ownBufferBytes(limits) + Float.BYTES * expertRows(limits) * expert;
    }

    /** The same of experts where a device has its own memory. */
    long expertBytes(OwnMemory memory, StepInputs.Limits limits) {
        long rows = expertRows(limits);
        return rows == 0
                ? 0
                : memory.expertWorkBytes(
                        rows, config().hidden(), shard.expertFeedForward().size());
    }

    /** Bytes of all buffers. */
    long ownBufferBytes(StepInputs.Limits limits) {
        return Float.BYTES * (limits.tokens() * sum(tokenColumns) + limits.outputs() * sum(outputColumns));
    }

    private long expertRows(StepInputs.Limits limits) {
        ModelConfig.Experts experts = config().experts();
        return experts == null ? 0 : (long) limits.tokens() * experts.chosen();
    }

    private static long sum(Map<String, Integer> columns) {
        return columns.values().stream().mapToLong(Integer::longValue).sum();
    }
}
