package dev.skein.compute.cuda;

import dev.skein.compute.Weight;
import dev.skein.compute.cuda.CudaContext.DeviceMemory;

/**
 * A matrix on the device, in one of the forms that kernels read.
 *
 * @param fourBits of tiles: whether elements are kept in four bits as in their file ({@code quantised.cu}), not as bf16; where
 *     the same bits are asked for, a product gives the same ones either way
 */
record CudaWeight(Form form, boolean fourBits, int rows, int columns, DeviceMemory memory) implements Weight {
    /** How the elements lie. */
    enum Form {
        /** Tiles of bf16 for a product. */
        TILES,
        /** Tiles for a gated product: of 16 rows, 8 are the gate's and 8 the up's; {@code rows} counts each of them. */
        GATED_TILES,
        /** Rows of bf16. */
        TABLE,
        /** 32-bit floats. */
        VECTOR
    }

    static final int TILE = 16;
    static final int TILE_BYTES = TILE * TILE * 2;

    private static final int GROUP_TILES = 4;
    static final int GROUP_BYTES = 640;

    int rowTiles() {
        return rowTiles(form, rows);
    }

    private static int rowTiles(Form form, int rows) {
        int unit = form == Form.GATED_TILES ? TILE / 2 : TILE;
        return (rows + unit - 1) / unit;
    }

    /** Of a weight in tiles. */
    static long bytes(Form form, boolean fourBits, int rows, int columns) {
        int tiles = columns / TILE;
        long each = fourBits ? (long) groups(tiles) * GROUP_BYTES : (long) tiles * TILE_BYTES;
        return rowTiles(form, rows) * each;
    }

    private static int groups(int tiles) {
        return (tiles + GROUP_TILES - 1) / GROUP_TILES;
    }

    /** Groups of tiles beside each other, where elements are kept in four bits. */
    int columnGroups() {
        return groups(columnTiles());
    }

    /** What its tiles take, or would take, as bf16. */
    long tileBytes() {
        return bytes(form, false, rows, columns);
    }

    /** One of several alike that lie one after the other. */
    CudaWeight of(int index, int count) {
        long each = memory.bytes() / count;
        return new CudaWeight(form, fourBits, rows, columns, new DeviceMemory(memory.address() + index * each, each));
    }

    int columnTiles() {
        return columns / TILE;
    }

    @Override
    public long bytes() {
        return memory.bytes();
    }
}
