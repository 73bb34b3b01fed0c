package dev.skein.compute.cuda;

import dev.skein.compute.Bf16;
import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import dev.skein.compute.cpu.HostRows;
import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import dev.skein.compute.cuda.CudaWeight.Form;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Brings matrices from a mapped file to the device as they are, piece by piece through two pinned buffers, and has them
 * turned into tiles or rows there: while one piece is copied up, the next is read from the file. Types that the kernels do
 * not read become bf16 on the way. All cores read: one of them is slower than the way to the device.
 */
final class CudaLoader {
    private static final long PIECE_BYTES = 16L << 20;
    private static final Set<ElementType> FOUR_BITS = Set.of(ElementType.Q4_0, ElementType.Q4_1);
    private static final int FOUR_BIT_BLOCK = 32;
    private static final int THREADS = 256;
    private static final int MOST_Y = 65535;
    /** What a core copies at a time. */
    private static final long SHARE_BYTES = 1 << 20;

    private final CudaContext context;
    private final CudaStream stream;
    private final CudaKernel tileRows;
    private final CudaKernel plainRows;
    private final CudaKernel groupRows;
    private final Piece[] pieces = new Piece[2];
    private int next;

    /** A buffer on both sides, and when it was last used. */
    private record Piece(MemorySegment host, DeviceMemory device, CudaEvent used) {}

    /** Where rows go. */
    private interface Sink {
        void rows(DeviceMemory from, ElementType type, int first, int count);
    }

    CudaLoader(CudaContext context, CudaStream stream, CudaKernels kernels) {
        this.context = context;
        this.stream = stream;
        tileRows = kernels.kernel("skein_tile_rows");
        plainRows = kernels.kernel("skein_plain_rows");
        groupRows = kernels.kernel("skein_group_rows");
    }

    CudaWeight tiles(List<HostMatrix> stacked) {
        int rows = stacked.stream().mapToInt(HostMatrix::rows).reduce(0, Math::addExact);
        CudaWeight weight =
                zeros(Form.TILES, fourBits(stacked), rows, stacked.getFirst().columns(), 1);
        int first = 0;
        for (HostMatrix matrix : stacked) {
            tile(matrix, weight, first, 0);
            first += matrix.rows();
        }
        return weight;
    }

    CudaWeight gatedTiles(HostMatrix gate, HostMatrix up) {
        CudaWeight weight = zeros(Form.GATED_TILES, fourBits(List.of(gate, up)), gate.rows(), gate.columns(), 1);
        tile(gate, weight, 0, 0);
        tile(up, weight, 0, CudaWeight.TILE / 2);
        return weight;
    }

    private static boolean fourBits(List<HostMatrix> matrices) {
        return matrices.stream().allMatch(matrix -> inFourBits(matrix.type()));
    }

    /** Whether elements are kept as they are; those of other types become bf16. */
    static boolean inFourBits(ElementType type) {
        return FOUR_BITS.contains(type);
    }

    /** Each gate with its up, one pair after the other. */
    CudaWeight gatedTiles(List<HostMatrix> gates, List<HostMatrix> ups) {
        HostMatrix first = gates.getFirst();
        CudaWeight all = zeros(Form.GATED_TILES, false, first.rows(), first.columns(), gates.size());
        for (int i = 0; i < gates.size(); i++) {
            tile(gates.get(i), all.of(i, gates.size()), 0, 0);
            tile(ups.get(i), all.of(i, gates.size()), 0, CudaWeight.TILE / 2);
        }
        return all;
    }

    /** One after the other, each in tiles of its own. */
    CudaWeight tilesEach(List<HostMatrix> matrices) {
        HostMatrix first = matrices.getFirst();
        CudaWeight all = zeros(Form.TILES, false, first.rows(), first.columns(), matrices.size());
        for (int i = 0; i < matrices.size(); i++) {
            tile(matrices.get(i), all.of(i, matrices.size()), 0, 0);
        }
        return all;
    }

    /** Rows beyond the last fill a tile with zeros. */
    private CudaWeight zeros(Form form, boolean fourBits, int rows, int columns, int count) {
        DeviceMemory memory =
                context.allocate(Math.multiplyExact(CudaWeight.bytes(form, fourBits, rows, columns), (long) count));
        stream.fill(memory, 0);
        return new CudaWeight(form, fourBits, rows, columns, memory);
    }

    private void tile(HostMatrix matrix, CudaWeight weight, int firstRow, int lower) {
        int gated = weight.form() == Form.GATED_TILES ? 1 : 0;
        each(matrix, (from, type, first, count) -> {
            if (weight.fourBits()) {
                int minimum = matrix.type() == ElementType.Q4_1 ? 1 : 0;
                groupRows
                        .with(from)
                        .with(matrix.type().rowBytes(matrix.columns()))
                        .with(minimum);
                groupRows.with(weight.memory()).with(weight.columnTiles());
                groupRows.with(count).with(firstRow + first).with(gated).with(lower);
                launch(groupRows, matrix.columns() / FOUR_BIT_BLOCK, count);
            } else {
                head(tileRows, matrix, type, from).with(weight.memory()).with(weight.columnTiles());
                tileRows.with(count).with(firstRow + first).with(gated).with(lower);
                launch(tileRows, matrix.columns(), count);
            }
        });
    }

    CudaWeight table(HostMatrix matrix) {
        DeviceMemory memory = context.allocate(2L * matrix.rows() * matrix.columns());
        each(matrix, (from, type, first, count) -> {
            head(plainRows, matrix, type, from).with(memory.address() + 2L * first * matrix.columns());
            plainRows.with(matrix.columns()).with(count);
            launch(plainRows, matrix.columns(), count);
        });
        return new CudaWeight(Form.TABLE, false, matrix.rows(), matrix.columns(), memory);
    }

    CudaWeight vector(float[] values) {
        DeviceMemory memory = context.allocate(4L * values.length);
        Piece piece = piece(memory.bytes());
        MemorySegment host = piece.host.asSlice(0, memory.bytes());
        host.copyFrom(MemorySegment.ofArray(values));
        stream.copyUp(host, memory, 0);
        stream.record(piece.used);
        return new CudaWeight(Form.VECTOR, false, 1, values.length, memory);
    }

    private static CudaKernel head(CudaKernel kernel, HostMatrix matrix, ElementType type, DeviceMemory from) {
        return kernel.with(from).with(type.rowBytes(matrix.columns())).with(type.ordinal());
    }

    /** A thread for each of so many pieces of a row. */
    private void launch(CudaKernel kernel, int pieces, int rows) {
        int z = (rows + MOST_Y - 1) / MOST_Y;
        kernel.launch(stream, (pieces + THREADS - 1) / THREADS, (rows + z - 1) / z, z, THREADS, 0);
    }

    private void each(HostMatrix matrix, Sink sink) {
        ElementType type = matrix.type().compareTo(ElementType.Q4_1) > 0 ? ElementType.BF16 : matrix.type();
        long rowBytes = type.rowBytes(matrix.columns());
        int atOnce = (int) Math.clamp(PIECE_BYTES / rowBytes, 1, matrix.rows());
        for (int first = 0; first < matrix.rows(); first += atOnce) {
            int count = Math.min(atOnce, matrix.rows() - first);
            Piece piece = piece(count * rowBytes);
            MemorySegment host = piece.host.asSlice(0, count * rowBytes);
            if (type == matrix.type()) {
                copy(matrix.data().asSlice(first * rowBytes, count * rowBytes), host);
            } else {
                round(matrix, first, count, host);
            }
            stream.copyUp(host, piece.device, 0);
            sink.rows(piece.device, type, first, count);
            stream.record(piece.used);
        }
    }

    private static void copy(MemorySegment from, MemorySegment to) {
        int shares = (int) ((from.byteSize() + SHARE_BYTES - 1) / SHARE_BYTES);
        IntStream.range(0, shares).parallel().forEach(share -> {
            long at = share * SHARE_BYTES;
            MemorySegment.copy(from, at, to, at, Math.min(SHARE_BYTES, from.byteSize() - at));
        });
    }

    /** Rows as bf16. */
    private static void round(HostMatrix matrix, int first, int count, MemorySegment to) {
        IntStream.range(0, count).parallel().forEach(row -> {
            float[] values = new float[matrix.columns()];
            HostRows.read(matrix, first + row, values);
            long at = (long) row * values.length;
            for (int i = 0; i < values.length; i++) {
                to.setAtIndex(ValueLayout.JAVA_SHORT, at + i, Bf16.of(values[i]));
            }
        });
    }

    /** The one of the two that has rested longer. */
    private Piece piece(long bytes) {
        int which = next;
        next = 1 - next;
        Piece piece = pieces[which];
        if (piece == null || piece.host.byteSize() < bytes) {
            long room = Math.max(bytes, PIECE_BYTES);
            piece = new Piece(context.allocatePinned(room), context.allocate(room), context.event());
            pieces[which] = piece;
            return piece;
        }
        piece.used.synchronize();
        return piece;
    }
}
