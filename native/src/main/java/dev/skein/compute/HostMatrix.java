package dev.skein.compute;

import static java.util.Objects.requireNonNull;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A matrix as it lies in a mapped model file: `rows` rows (outputs of a linear layer) of `columns` elements (inputs),
 * row after row. A vector is a matrix of one row. The memory belongs to whoever mapped the file.
 *
 * @param data exactly {@code rows * type.rowBytes(columns)} bytes, little endian
 */
public record HostMatrix(String name, ElementType type, int rows, int columns, MemorySegment data) {
    private static final long ALIGNMENT = 64;

    public HostMatrix {
        requireNonNull(name, "name is null");
        long bytes = Math.multiplyExact(type.rowBytes(columns), (long) rows);
        if (rows <= 0 || data.byteSize() != bytes) {
            throw new IllegalArgumentException("%s: %d x %d of %s take %d bytes, not %d"
                    .formatted(name, rows, columns, type, bytes, data.byteSize()));
        }
    }

    /**
     * Columns from (inclusive) to (exclusive), whole blocks of the type: a rank's part of a row-parallel layer.
     *
     * @param made the columns are put close together there, unless they are all
     */
    public HostMatrix columns(int from, int to, Arena made) {
        if (from == 0 && to == columns) {
            return this;
        }
        long skipped = from == 0 ? 0 : type.rowBytes(from);
        long kept = type.rowBytes(to - from);
        long rowBytes = type.rowBytes(columns);
        MemorySegment close = made.allocate(rows * kept, ALIGNMENT);
        for (int row = 0; row < rows; row++) {
            MemorySegment.copy(data, row * rowBytes + skipped, close, row * kept, kept);
        }
        return new HostMatrix(name, type, rows, to - from, close);
    }

    /** Rows from (inclusive) to (exclusive), over the same memory: a rank's slice of a column-parallel layer. */
    public HostMatrix slice(int from, int to) {
        long rowBytes = type.rowBytes(columns);
        return new HostMatrix(name, type, to - from, columns, data.asSlice(from * rowBytes, (to - from) * rowBytes));
    }
}
