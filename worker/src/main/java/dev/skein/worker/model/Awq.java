package dev.skein.worker.model;

import dev.skein.compute.ElementType;
import dev.skein.compute.HostMatrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;

/**
 * A matrix of 4 bits as AWQ's "gemm" format has it (Lin et al., arXiv 2306.00978; the layout is AutoAWQ's): what goes in
 * runs down, what comes out across, and an int32 holds eight columns in the order 0 2 4 6 1 3 5 7 from its lowest bits up.
 * Columns have a scale s and a zero point z for each group of rows: {@code w = (q - z) s}.
 *
 * <p>It becomes {@link ElementType#Q4_1}, which says the same of blocks of 32 as {@code w = s q + m}: the four bits stay
 * what they are, and m = -z s is rounded to 16 bits, by 1/128 of s at most.
 *
 * @param weights [in, out / 8]
 * @param zeros [groups, out / 8]
 * @param scales [groups, out]
 */
record Awq(Packed weights, Packed zeros, HostMatrix scales) {
    private static final int BLOCK = 32;
    static final int PER_INT = 8;
    private static final int[] SHIFT = {0, 16, 4, 20, 8, 24, 12, 28};

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** Eight numbers of 4 bits in each int. */
    record Packed(MemorySegment data, int rows, int columns) {
        int at(int row, int column) {
            int index = column / PER_INT;
            return data.getAtIndex(INT, (long) row * (columns / PER_INT) + index) >>> SHIFT[column % PER_INT] & 15;
        }
    }

    /** Whether a matrix is in this format. */
    static boolean holds(SafetensorsFiles files, String stem) {
        return files.has(stem + ".qweight");
    }

    /**
     * The matrix of that name, without its end.
     *
     * @throws CheckpointException if it is not of `rows` outputs and `columns` inputs, or its parts do not fit
     */
    static Awq of(SafetensorsFiles files, String stem, int rows, int columns) {
        SafetensorsTensor weights = files.tensor(stem + ".qweight");
        SafetensorsTensor zeros = files.tensor(stem + ".qzeros");
        SafetensorsTensor scales = files.tensor(stem + ".scales");
        require(files, weights, SafetensorsType.I32, columns, rows / PER_INT, rows % PER_INT == 0);
        long groups = scales.shape().isEmpty() ? 0 : scales.shape().getFirst();
        boolean whole = groups > 0 && columns % groups == 0 && columns / groups % BLOCK == 0;
        require(files, zeros, SafetensorsType.I32, (int) groups, rows / PER_INT, whole);
        SafetensorsType type = scales.type() == SafetensorsType.BF16 ? SafetensorsType.BF16 : SafetensorsType.F16;
        require(files, scales, type, (int) groups, rows, whole);
        return new Awq(
                new Packed(files.data(weights), columns, rows),
                new Packed(files.data(zeros), (int) groups, rows),
                new HostMatrix(
                        stem,
                        type == SafetensorsType.F16 ? ElementType.F16 : ElementType.BF16,
                        (int) groups,
                        rows,
                        files.data(scales)));
    }

    private static void require(
            SafetensorsFiles files, SafetensorsTensor tensor, SafetensorsType type, int rows, int columns, boolean ok) {
        Path file = files.path(tensor.name());
        if (tensor.type() != type) {
            throw new CheckpointException(file, "the type of " + tensor.name(), tensor.type(), "it must be " + type);
        }
        if (!ok || !tensor.shape().equals(List.of((long) rows, (long) columns))) {
            throw new CheckpointException(
                    file,
                    "the shape of " + tensor.name(),
                    tensor.shape(),
                    "config.json asks for [%d, %d], in whole groups of a multiple of %d rows"
                            .formatted(rows, columns, BLOCK));
        }
    }

    /** Rows are outputs then, as everywhere else. */
    HostMatrix toQ41(String name, Arena into) {
        int rows = weights.columns;
        int columns = weights.rows;
        int group = columns / scales.rows();
        MemorySegment out = into.allocate(rows * ElementType.Q4_1.rowBytes(columns), Float.BYTES);
        long at = 0;
        for (int row = 0; row < rows; row++) {
            for (int column = 0; column < columns; column += BLOCK) {
                block(row, column, column / group, out, at);
                at += ElementType.Q4_1.blockBytes();
            }
        }
        return new HostMatrix(name, ElementType.Q4_1, rows, columns, out);
    }

    private void block(int row, int column, int group, MemorySegment out, long at) {
        float scale = HostVectors.element(scales, (long) group * scales.columns() + row);
        out.set(SHORT, at, Float.floatToFloat16(scale));
        out.set(SHORT, at + 2, Float.floatToFloat16(-zeros.at(group, row) * scale));
        for (int i = 0; i < BLOCK / 2; i++) {
            int low = weights.at(column + i, row);
            int high = weights.at(column + BLOCK / 2 + i, row);
            out.set(ValueLayout.JAVA_BYTE, at + 4 + i, (byte) (low | high << 4));
        }
    }
}
