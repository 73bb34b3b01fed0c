package dev.skein.compute.cuda;

import dev.skein.compute.ComputeException;
import dev.skein.compute.KvCache;
import dev.skein.compute.StepInputs;
import dev.skein.compute.StepInputs.Output;
import dev.skein.compute.StepInputs.Region;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A step's inputs on the device, in one piece that goes up in one copy: the regions that are used, one after the other, then
 * what attention needs to know of them: which tokens stand alone, and which lie beside others of their sequence.
 *
 * <p>A step of one token and one output for each sequence is replayable: its rows are rounded up to a bucket, with rows that
 * stand for no token (position and slot -1), and its regions to sizes of few kinds, so that later steps of the same
 * {@link Shape} have everything in the same places.
 */
final class CudaStep {
    /** Keys that {@code attention_hopper.cu} takes at once. */
    static final int PIECE_TOKENS = 128;

    private static final Region[] REGIONS = Region.values();
    private static final int RUN = 4;
    private static final int OUTPUT_SLOTS = Output.values().length;
    private static final int LEAST_ROOM = 256;
    /** Rows of a bucket: powers of two up to this, then multiples of it. */
    private static final int BUCKET = 8;
    /** Of numbers of buckets and chunks, from the same number on. */
    private static final int STEPS_A_DOUBLING = 8;

    /**
     * What the launches of a replayable step depend on beside its operations.
     *
     * @param rows tokens, and outputs
     * @param chunks of attention over the longest sequence
     */
    record Shape(int rows, int chunks, int blocks, int history, int bias, int allowed) {}

    private final CudaContext context;
    private final CudaScratch device;
    private final CudaEvent copied;
    private final long[] offsets = new long[REGIONS.length];
    private MemorySegment host;
    private long used;
    private boolean begun;

    private int tokens;
    private int outputs;
    private int rows;
    private boolean replayable;
    private int chunks;
    private Shape shape = new Shape(0, 0, 0, 0, 0, 0);
    private int[] lone = {};
    private int lones;
    /** Of each run of tokens that lie beside each other: its start, its length, its sequence, its last position. */
    private int[] runs = {};

    private int runCount;
    private int highestId;
    /** The last output of the step before that ids name, or -1. */
    private int highestNamed;

    private int highestSlot;
    private int highestBlock;
    private int lastPosition;
    private int lastLonePosition;

    private long loneAt;
    private long tilesAt;
    private int tileCount;
    private int tileRows;
    private long pieceStartAt;
    private long lastTokenAt;
    private long piecesAt;
    private int pieceCount;
    private int sequences;
    private boolean pieced;

    CudaStep(CudaContext context) {
        this.context = context;
        device = new CudaScratch(context);
        copied = context.event();
        host = context.allocatePinned(1 << 16);
    }

    /**
     * Copies the inputs up.
     *
     * @param limits of this step and of all that may be replayed for it
     * @param mayReplay whether it is to be replayable, if it can be
     * @throws ComputeException not fatal, if a position is outside of its sequence's blocks
     */
    void begin(StepInputs inputs, StepInputs.Limits limits, boolean mayReplay, CudaStream stream) {
        tokens = inputs.tokens();
        outputs = inputs.outputs();
        rows = tokens;
        replayable = false;
        look(inputs);
        replayable = mayReplay && tokens > 0 && runCount == 0 && oneOutputEach(inputs);
        int needed = lastLonePosition / CudaAttention.CHUNK_TOKENS + 1;
        chunks = replayable ? fewer(needed) : needed;
        rows = replayable ? Math.min(bucket(tokens), Math.min(limits.tokens(), limits.outputs())) : tokens;
        for (int row = lones; replayable && row < rows; row++) {
            lone[row] = row;
        }
        reserve(layOut(inputs));
        if (begun) {
            copied.synchronize();
        }
        for (Region region : REGIONS) {
            MemorySegment.copy(inputs.memory(), inputs.offset(region), host, offset(region), 4L * inputs.used(region));
        }
        for (int row = tokens; row < rows; row++) {
            pad(row, inputs.used(Region.BLOCKS));
        }
        MemorySegment.copy(lone, 0, host, ValueLayout.JAVA_INT, loneAt, lones());
        tileRows = 0;
        pieced = false;
        stream.copyUp(host.asSlice(0, tilesAt), device.atLeast(used), 0);
        stream.record(copied);
        begun = true;
    }

    private static boolean oneOutputEach(StepInputs inputs) {
        boolean each = inputs.outputs() == inputs.tokens() && inputs.sequences() == inputs.tokens();
        for (int i = 0; each && i < inputs.tokens(); i++) {
            each = inputs.get(i, Output.ROW) == i && inputs.get(Region.SEQUENCE, i) == i;
        }
        return each;
    }

    /** The rows that a step of so many tokens is rounded up to. */
    static int bucket(int tokens) {
        return tokens < BUCKET ? ceilingOfTwo(tokens) : fewer((tokens + BUCKET - 1) / BUCKET) * BUCKET;
    }

    private static int ceilingOfTwo(int value) {
        return value <= 1 ? 1 : Integer.highestOneBit(value - 1) << 1;
    }

    /** Rounds up to one of {@link #STEPS_A_DOUBLING} numbers between powers of two. */
    private static int fewer(int value) {
        int step = Math.max(1, Integer.highestOneBit(value) / STEPS_A_DOUBLING);
        return (value + step - 1) / step * step;
    }

    /** Fills a row that stands for no token, and its output, which is greedy. */
    private void pad(int row, int blocks) {
        put(Region.IDS, row, 0);
        put(Region.POSITIONS, row, -1);
        put(Region.SEQUENCE, row, 0);
        put(Region.SLOTS, row, -1);
        put(Region.BLOCK_START, row + 1, blocks);
        for (Output slot : Output.values()) {
            int value = switch (slot) {
                case ROW -> row;
                case TARGET, LOGPROBS -> -1;
                case TOP_P, REPETITION_PENALTY -> Float.floatToRawIntBits(1f);
                default -> 0;
            };
            put(Region.OUTPUTS, row * OUTPUT_SLOTS + slot.ordinal(), value);
        }
    }

    private void put(Region region, int index, int value) {
        host.set(ValueLayout.JAVA_INT, offset(region) + 4L * index, value);
    }

    private long layOut(StepInputs inputs) {
        long at = 0;
        for (Region region : REGIONS) {
            offsets[region.ordinal()] = at;
            at += 4L * room(region, inputs) + 15 & -16L;
        }
        shape = new Shape(
                rows,
                chunks,
                room(Region.BLOCKS, inputs),
                room(Region.HISTORY, inputs),
                room(Region.BIAS, inputs),
                room(Region.ALLOWED, inputs));
        loneAt = at;
        tilesAt = loneAt + (4L * lones() + 15 & -16L);
        pieceStartAt = tilesAt + (8L * tokens + 15 & -16L);
        lastTokenAt = pieceStartAt + (4L * sequences + 15 & -16L);
        piecesAt = lastTokenAt + (4L * sequences + 15 & -16L);
        used = piecesAt + 8L * pieceCount;
        return used;
    }

    private int room(Region region, StepInputs inputs) {
        if (!replayable) {
            return inputs.used(region);
        }
        return switch (region) {
            case IDS, POSITIONS, SEQUENCE, SLOTS -> rows;
            case BLOCK_START -> rows + 1;
            case OUTPUTS -> rows * OUTPUT_SLOTS;
            case BLOCKS, HISTORY, BIAS, ALLOWED -> Math.max(LEAST_ROOM, ceilingOfTwo(inputs.used(region)));
        };
    }

    private void reserve(long bytes) {
        if (host.byteSize() < bytes) {
            host = context.allocatePinned(2 * bytes);
        }
        device.atLeast(bytes);
    }

    /** Finds bounds and runs. */
    private void look(StepInputs inputs) {
        highestId = -1;
        highestNamed = -1;
        highestSlot = -1;
        lastPosition = 0;
        lastLonePosition = 0;
        lones = 0;
        runCount = 0;
        pieceCount = 0;
        sequences = inputs.sequences();
        lone = lone.length < bucket(tokens) ? new int[2 * bucket(tokens)] : lone;
        runs = runs.length < RUN * tokens ? new int[2 * RUN * tokens] : runs;
        highestBlock = highest(inputs, Region.BLOCKS);
        for (int token = 0; token < tokens; ) {
            int end = runEnd(inputs, token);
            for (int i = token; i < end; i++) {
                look(inputs, i);
            }
            if (end - token == 1) {
                lone[lones++] = token;
                lastLonePosition = Math.max(lastLonePosition, inputs.get(Region.POSITIONS, token));
            } else {
                int last = inputs.get(Region.POSITIONS, end - 1);
                runs[RUN * runCount] = token;
                runs[RUN * runCount + 1] = end - token;
                runs[RUN * runCount + 2] = inputs.get(Region.SEQUENCE, token);
                runs[RUN * runCount++ + 3] = last;
                pieceCount += last / PIECE_TOKENS + 1;
            }
            token = end;
        }
    }

    private void look(StepInputs inputs, int token) {
        int id = inputs.get(Region.IDS, token);
        highestId = Math.max(highestId, id);
        highestNamed = Math.max(highestNamed, -1 - id);
        int slot = inputs.get(Region.SLOTS, token);
        highestSlot = Math.max(highestSlot, slot < 0 ? Integer.MAX_VALUE : slot);
        int position = inputs.get(Region.POSITIONS, token);
        lastPosition = Math.max(lastPosition, position);
        int sequence = inputs.get(Region.SEQUENCE, token);
        int end = sequence + 1 < inputs.sequences()
                ? inputs.get(Region.BLOCK_START, sequence + 1)
                : inputs.used(Region.BLOCKS);
        int bound = (end - inputs.get(Region.BLOCK_START, sequence)) * KvCache.BLOCK_SIZE;
        check(position, bound, "step", "position", token);
    }

    private static int runEnd(StepInputs inputs, int token) {
        int end = token + 1;
        while (end < inputs.tokens()
                && inputs.get(Region.SEQUENCE, end) == inputs.get(Region.SEQUENCE, token)
                && inputs.get(Region.POSITIONS, end) == inputs.get(Region.POSITIONS, end - 1) + 1) {
            end++;
        }
        return end;
    }

    private static int highest(StepInputs inputs, Region region) {
        int highest = -1;
        for (int i = 0; i < inputs.used(region); i++) {
            int value = inputs.get(region, i);
            highest = Math.max(highest, value < 0 ? Integer.MAX_VALUE : value);
        }
        return highest;
    }

    /** @param named how many outputs of the step before ids may name */
    void checkIds(int bound, int named) {
        if (highestNamed >= named) {
            check(-1 - highestNamed, bound, "embed", "id", -1);
        }
        if (highestId >= 0) {
            check(highestId, bound, "embed", "id", -1);
        }
    }

    void checkSlots(int blocks) {
        check(highestSlot, Math.multiplyExact(blocks, KvCache.BLOCK_SIZE), "ropeAndStore", "slot", -1);
    }

    void checkBlocks(int blocks) {
        if (highestBlock >= 0) {
            check(highestBlock, blocks, "attention", "block", -1);
        }
    }

    private static void check(int value, int bound, String operation, String what, int row) {
        if (value < 0 || value >= bound) {
            throw new ComputeException(
                    "%s failed: %s %d%s is not in 0..%d"
                            .formatted(operation, what, value, row < 0 ? "" : " of row " + row, bound - 1),
                    false);
        }
    }

    /**
     * Cuts the runs into pieces of at most so many tokens for attention, and brings them up unless that was the last that
     * was asked for.
     *
     * @return how many pieces
     */
    int tiles(int rows, CudaStream stream) {
        if (tileRows == rows) {
            return tileCount;
        }
        tileRows = rows;
        tileCount = 0;
        copied.synchronize();
        for (int run = 0; run < runCount; run++) {
            int end = runs[RUN * run] + runs[RUN * run + 1];
            for (int first = runs[RUN * run]; first < end; first += rows) {
                host.set(ValueLayout.JAVA_INT, tilesAt + 8L * tileCount, first);
                host.set(ValueLayout.JAVA_INT, tilesAt + 8L * tileCount + 4, Math.min(rows, end - first));
                tileCount++;
            }
        }
        if (tileCount > 0) {
            stream.copyUp(host.asSlice(tilesAt, 8L * tileCount), device.atLeast(used), tilesAt);
            stream.record(copied);
        }
        return tileCount;
    }

    /** How many pieces of {@value #PIECE_TOKENS} positions the sequences have whose tokens lie in runs, each run's by itself. */
    int pieces() {
        return pieceCount;
    }

    /** Brings up for {@code attention_hopper.cu} what the pieces are, where each sequence's begin and which is its last token. */
    void bringPieces(CudaStream stream) {
        if (pieced) {
            return;
        }
        pieced = true;
        copied.synchronize();
        int piece = 0;
        for (int run = 0; run < runCount; run++) {
            int sequence = runs[RUN * run + 2];
            host.set(ValueLayout.JAVA_INT, pieceStartAt + 4L * sequence, piece);
            host.set(ValueLayout.JAVA_INT, lastTokenAt + 4L * sequence, runs[RUN * run] + runs[RUN * run + 1] - 1);
            for (int i = 0; i <= runs[RUN * run + 3] / PIECE_TOKENS; i++, piece++) {
                host.set(ValueLayout.JAVA_INT, piecesAt + 8L * piece, sequence);
                host.set(ValueLayout.JAVA_INT, piecesAt + 8L * piece + 4, i);
            }
        }
        stream.copyUp(host.asSlice(pieceStartAt, used - pieceStartAt), device.atLeast(used), pieceStartAt);
        stream.record(copied);
    }

    long pieceStartAddress() {
        return base() + pieceStartAt;
    }

    long lastTokenAddress() {
        return base() + lastTokenAt;
    }

    long piecesAddress() {
        return base() + piecesAt;
    }

    private long offset(Region region) {
        return offsets[region.ordinal()];
    }

    long address(Region region) {
        return base() + offset(region);
    }

    /** Some of the tokens that do not lie beside others of their sequence, or 0 if these are all of the step's rows. */
    long loneAddress(int first, int count) {
        return count == rows ? 0 : base() + loneAt + 4L * first;
    }

    /** Attention's chunks of the longest sequence of a token that stands alone, or a few more. */
    int loneChunks() {
        return chunks;
    }

    long tilesAddress() {
        return base() + tilesAt;
    }

    private long base() {
        return device.atLeast(used).address();
    }

    /** Whether tokens lie beside others of their sequence. */
    boolean hasRuns() {
        return runCount > 0;
    }

    /** Tokens, and rows that stand for none. */
    int rows() {
        return rows;
    }

    /** Outputs, and those of rows that stand for no token. */
    int outputs() {
        return replayable ? rows : outputs;
    }

    boolean replayable() {
        return replayable;
    }

    Shape shape() {
        return shape;
    }

    int lones() {
        return replayable ? rows : lones;
    }

    int lastPosition() {
        return lastPosition;
    }
}
