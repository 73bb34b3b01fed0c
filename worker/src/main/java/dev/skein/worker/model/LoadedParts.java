package dev.skein.worker.model;

import dev.skein.compute.Backend;
import dev.skein.compute.Buffer;
import dev.skein.compute.ElementType;
import dev.skein.compute.ExpertWeights;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.StepInputs;
import dev.skein.compute.Weight;
import dev.skein.worker.model.Architecture.LoadProgress;
import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntFunction;

/** Copies weights into a backend, which may read with several threads, and makes its buffers. */
final class LoadedParts implements Parts {
    private final Checkpoint checkpoint;
    private final Shard shard;
    private final Backend backend;
    private final StepInputs.Limits limits;
    private final LoadProgress progress;
    private final Map<String, Buffer> buffers = new HashMap<>();

    LoadedParts(Checkpoint checkpoint, Shard shard, Backend backend, StepInputs.Limits limits, LoadProgress progress) {
        this.checkpoint = checkpoint;
        this.shard = shard;
        this.backend = backend;
        this.limits = limits;
        this.progress = progress;
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

    @Override
    public Weight weight(Matrix... stacked) {
        try (Arena made = Arena.ofShared()) {
            return backend.weight(read(List.of(stacked), made));
        }
    }

    @Override
    public Weight gatedWeight(Matrix gate, Matrix up) {
        try (Arena made = Arena.ofShared()) {
            return backend.gatedWeight(read(gate, made), read(up, made));
        }
    }

    /** A backend may go on reading it. */
    @Override
    public Weight table(Matrix matrix) {
        return backend.table(read(matrix, Arena.ofAuto()));
    }

    @Override
    public Weight vector(String name, int length) {
        try (Arena made = Arena.ofShared()) {
            return backend.vector(read(new Matrix(name, 1, length), made));
        }
    }

    @Override
    public Weight firstRow(Matrix matrix) {
        try (Arena made = Arena.ofConfined()) {
            return backend.vector(read(matrix, made).slice(0, 1));
        }
    }

    @Override
    public Weight stackedVector(Matrix... stacked) {
        try (Arena made = Arena.ofShared()) {
            return backend.vector(HostVectors.stacked(read(List.of(stacked), made)));
        }
    }

    @Override
    public ExpertWeights experts(List<Matrix> gate, List<Matrix> up, List<Matrix> down) {
        try (Arena made = Arena.ofShared()) {
            return backend.experts(read(gate, made), read(up, made), read(down, made));
        }
    }

    private List<HostMatrix> read(List<Matrix> wanted, Arena made) {
        return wanted.stream().map(each -> read(each, made)).toList();
    }

    private HostMatrix read(Matrix wanted, Arena made) {
        HostMatrix whole = checkpoint.matrix(wanted.name(), wanted.rows(), wanted.columns(), made);
        Span rows = wanted.takenRows();
        Span columns = wanted.takenColumns();
        return whole.slice(rows.from(), rows.to()).columns(columns.from(), columns.to(), made);
    }

    @Override
    public ElementType type(Matrix wanted) {
        return checkpoint.type(wanted.name(), wanted.rows(), wanted.columns());
    }

    @Override
    public Buffer tokens(String role, int columns) {
        return buffers.computeIfAbsent(role, _ -> backend.buffer(limits.tokens(), columns));
    }

    @Override
    public Buffer outputs(String role, int columns) {
        return buffers.computeIfAbsent(role, _ -> backend.buffer(limits.outputs(), columns));
    }

    @Override
    public List<Decoder.Layer> layers(IntFunction<Decoder.Layer> layer) {
        List<Decoder.Layer> layers = new ArrayList<>(shard.layers().size());
        for (int i = shard.layers().from(); i < shard.layers().to(); i++) {
            layers.add(layer.apply(i));
            progress.loaded(layers.size(), shard.layers().size() + 1);
        }
        return layers;
    }

    /** All that was wanted is loaded. */
    void done() {
        progress.loaded(shard.layers().size() + 1, shard.layers().size() + 1);
    }
}
