package dev.skein.worker.model;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A Hugging Face folder of which only config.json is read, and whose weights are random numbers of BF16: to measure a
 * model that one does not have. The same names have the same numbers. Rows are scaled so that what a layer computes is
 * about as large as what it reads.
 */
public final class DummyFolder extends FolderCheckpoint {
    /** A repeating pattern; odd, so that rows differ. */
    private static final int PATTERN = (1 << 18) - 1;

    private final Map<String, Long> elements = new ConcurrentHashMap<>();
    private final Map<Integer, MemorySegment> patterns = new ConcurrentHashMap<>();

    private DummyFolder(FolderConfig description) {
        super(description);
    }

    /**
     * Reads a folder's config.json.
     *
     * @throws CheckpointException if it is missing, or of a model that is not supported
     */
    public static DummyFolder open(Path folder) {
        return new DummyFolder(FolderConfig.read(folder));
    }

    /** None: there is what is asked for. */
    @Override
    public Set<String> tensors() {
        return Set.of();
    }

    @Override
    public ElementType type(String name, int rows, int columns) {
        elements.put(name, (long) rows * columns);
        return ElementType.BF16;
    }

    @Override
    public HostMatrix matrix(String name, int rows, int columns, Arena made) {
        int exponent = Math.getExponent(Math.sqrt(3.0 / columns));
        long bytes = 2L * rows * columns;
        MemorySegment data = made.allocate(bytes, Float.BYTES);
        if (name.endsWith("norm.weight")) {
            fillWithOnes(data);
        } else {
            repeat(patterns.computeIfAbsent(exponent, DummyFolder::pattern), name.hashCode(), data);
        }
        return new HostMatrix(name, ElementType.BF16, rows, columns, data);
    }

    private static void fillWithOnes(MemorySegment data) {
        for (long i = 0; i < data.byteSize() / 2; i++) {
            data.setAtIndex(ValueLayout.JAVA_SHORT, i, Fp8.bf16(1));
        }
    }

    /** From -1 to 1, times a power of two. */
    private static MemorySegment pattern(int exponent) {
        SplittableRandom random = new SplittableRandom(exponent);
        MemorySegment pattern = Arena.ofAuto().allocate(2L * PATTERN, Float.BYTES);
        for (int i = 0; i < PATTERN; i++) {
            float value = Math.scalb((float) random.nextDouble(-1, 1), exponent);
            pattern.setAtIndex(ValueLayout.JAVA_SHORT, i, Fp8.bf16(value));
        }
        return pattern;
    }

    private static void repeat(MemorySegment pattern, int seed, MemorySegment data) {
        long from = 2L * Math.floorMod(seed, PATTERN);
        for (long at = 0; at < data.byteSize(); ) {
            long size = Math.min(pattern.byteSize() - from, data.byteSize() - at);
            MemorySegment.copy(pattern, from, data, at, size);
            at += size;
            from = 0;
        }
    }

    /** Of what has been asked for: all of a model, once it was checked. */
    @Override
    public long parameters() {
        return elements.values().stream().mapToLong(Long::longValue).sum();
    }

    @Override
    public long tensorBytes() {
        return 2 * parameters();
    }

    @Override
    public String quantization() {
        return ElementType.BF16.name();
    }

    /** Nothing is mapped. */
    @Override
    public void close() {}
}
