package dev.skein.worker.model;

import dev.skein.compute.Bf16;
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
import java.util.regex.Pattern;

/**
 * A Hugging Face folder of which only config.json is read, and whose weights are random numbers of BF16, or of Q4_1 where
 * config.json says AWQ: to measure a model that one does not have. The same names have the same numbers. Rows are scaled so
 * that what a layer computes is about as large as what it reads.
 */
public final class DummyFolder extends FolderCheckpoint {
    /** Blocks of a repeating pattern; odd, so that rows differ. */
    private static final int PATTERN = (1 << 18) - 1;

    private static final Pattern PACKED =
            Pattern.compile("blk\\.\\d+\\.(attn_[qkv]|attn_output|ffn_(gate|up|down))\\.weight");

    private final boolean packed;
    private final Map<String, Tensor> tensors = new ConcurrentHashMap<>();
    /** Bytes of the largest matrix of a kind. */
    private final Map<Kind, Long> largest = new ConcurrentHashMap<>();

    private final Map<Kind, MemorySegment> repeated = new ConcurrentHashMap<>();

    private record Tensor(long elements, long bytes) {}

    /** Numbers from -1 to 1 times a power of two. */
    private record Kind(ElementType type, int exponent) {}

    private DummyFolder(FolderConfig description) {
        super(description);
        packed = description
                .whole()
                .object("quantization_config")
                .flatMap(how -> how.text("quant_method"))
                .filter("awq"::equals)
                .isPresent();
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
        ElementType type = packed && PACKED.matcher(name).matches() ? ElementType.Q4_1 : ElementType.BF16;
        long bytes = rows * type.rowBytes(columns);
        tensors.put(name, new Tensor((long) rows * columns, bytes));
        largest.merge(kind(type, columns), bytes, Math::max);
        return type;
    }

    @Override
    public HostMatrix matrix(String name, int rows, int columns, Arena made) {
        ElementType type = type(name, rows, columns);
        long bytes = rows * type.rowBytes(columns);
        if (name.endsWith("norm.weight")) {
            MemorySegment ones = made.allocate(bytes, Float.BYTES);
            fillWithOnes(ones);
            return new HostMatrix(name, type, rows, columns, ones);
        }
        MemorySegment whole = repeated.compute(
                kind(type, columns),
                (kind, held) -> held != null && held.byteSize() >= bytes + patternBytes(type) ? held : repeat(kind));
        long from = (long) type.blockBytes() * Math.floorMod(name.hashCode(), PATTERN);
        return new HostMatrix(name, type, rows, columns, whole.asSlice(from, bytes));
    }

    private static Kind kind(ElementType type, int columns) {
        return new Kind(type, Math.getExponent(Math.sqrt(3.0 / columns)));
    }

    private static long patternBytes(ElementType type) {
        return (long) type.blockBytes() * PATTERN;
    }

    private static void fillWithOnes(MemorySegment data) {
        for (long i = 0; i < data.byteSize() / 2; i++) {
            data.setAtIndex(ValueLayout.JAVA_SHORT, i, Bf16.of(1));
        }
    }

    /** All matrices are views of one that is long enough for the longest: making up weights takes no time, then. */
    private MemorySegment repeat(Kind kind) {
        MemorySegment pattern = Arena.ofAuto().allocate(patternBytes(kind.type), Float.BYTES);
        fill(kind, pattern);
        long bytes = largest.getOrDefault(kind, 0L) + pattern.byteSize();
        MemorySegment whole = Arena.ofAuto().allocate(bytes, Float.BYTES);
        for (long at = 0; at < bytes; at += pattern.byteSize()) {
            MemorySegment.copy(pattern, 0, whole, at, Math.min(pattern.byteSize(), bytes - at));
        }
        return whole;
    }

    private static void fill(Kind kind, MemorySegment pattern) {
        SplittableRandom random = new SplittableRandom(kind.exponent);
        if (kind.type == ElementType.BF16) {
            for (int i = 0; i < PATTERN; i++) {
                float value = Math.scalb((float) random.nextDouble(-1, 1), kind.exponent);
                pattern.setAtIndex(ValueLayout.JAVA_SHORT, i, Bf16.of(value));
            }
            return;
        }
        float most = Math.scalb(1f, kind.exponent);
        for (long at = 0; at < pattern.byteSize(); at += kind.type.blockBytes()) {
            pattern.set(ValueLayout.JAVA_SHORT, at, Float.floatToFloat16(2 * most / 15));
            pattern.set(ValueLayout.JAVA_SHORT, at + 2, Float.floatToFloat16(-most));
            pattern.set(ValueLayout.JAVA_LONG_UNALIGNED, at + 4, random.nextLong());
            pattern.set(ValueLayout.JAVA_LONG_UNALIGNED, at + 12, random.nextLong());
        }
    }

    /** Of what has been asked for: all of a model, once it was checked. */
    @Override
    public long parameters() {
        return tensors.values().stream().mapToLong(Tensor::elements).sum();
    }

    @Override
    public long tensorBytes() {
        return tensors.values().stream().mapToLong(Tensor::bytes).sum();
    }

    @Override
    public String quantization() {
        return packed ? "AWQ" : ElementType.BF16.name();
    }

    /** Nothing is mapped. */
    @Override
    public void close() {}
}
