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
    /** Bytes of the largest matrix whose numbers have that exponent. */
    private final Map<Integer, Long> largest = new ConcurrentHashMap<>();

    private final Map<Integer, MemorySegment> repeated = new ConcurrentHashMap<>();

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
        largest.merge(exponent(columns), 2L * rows * columns, Math::max);
        return ElementType.BF16;
    }

    @Override
    public HostMatrix matrix(String name, int rows, int columns, Arena made) {
        long bytes = 2L * rows * columns;
        if (name.endsWith("norm.weight")) {
            MemorySegment ones = made.allocate(bytes, Float.BYTES);
            fillWithOnes(ones);
            return new HostMatrix(name, ElementType.BF16, rows, columns, ones);
        }
        type(name, rows, columns);
        MemorySegment whole = repeated.compute(
                exponent(columns),
                (exponent, held) ->
                        held != null && held.byteSize() >= bytes + 2L * PATTERN ? held : repeated(exponent));
        long from = 2L * Math.floorMod(name.hashCode(), PATTERN);
        return new HostMatrix(name, ElementType.BF16, rows, columns, whole.asSlice(from, bytes));
    }

    private static int exponent(int columns) {
        return Math.getExponent(Math.sqrt(3.0 / columns));
    }

    /** All matrices are views of one that is long enough for the longest: making up weights takes no time, then. */
    private MemorySegment repeated(int exponent) {
        MemorySegment pattern = pattern(exponent);
        long bytes = largest.getOrDefault(exponent, 0L) + pattern.byteSize();
        MemorySegment whole = Arena.ofAuto().allocate(bytes, Float.BYTES);
        for (long at = 0; at < bytes; at += pattern.byteSize()) {
            MemorySegment.copy(pattern, 0, whole, at, Math.min(pattern.byteSize(), bytes - at));
        }
        return whole;
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
