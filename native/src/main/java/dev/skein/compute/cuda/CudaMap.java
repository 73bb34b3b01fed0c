package dev.skein.compute.cuda;

import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * A {@code CUtensorMap}, a kernel's parameter: tells the copy engine how a matrix lies in memory, and which part of it
 * one copy brings. It is read when the kernel is launched and may be another matrix's then.
 */
final class CudaMap {
    private static final int BYTES = 128;
    private static final int ALIGNMENT = 64;
    private static final int MOST_DIMENSIONS = 3;
    private static final int UINT32 = 2;
    private static final int BF16 = 9;
    private static final int NOT_SWIZZLED = 0;
    private static final int SWIZZLED_128 = 3;

    /** What {@code matmul_hopper.cu} brings of a weight at once: tiles along the columns, and row tiles. */
    private static final int PART_TILES = 4;

    private static final int PART_ROW_TILES = 8;
    private static final int PART_COLUMNS = 64;

    private final CudaDriver driver;
    private final MemorySegment memory;
    private final MemorySegment dimensions;
    private final MemorySegment strides;
    private final MemorySegment part;
    private final MemorySegment steps;

    CudaMap(CudaDriver driver) {
        this.driver = driver;
        Arena arena = Arena.ofAuto();
        memory = arena.allocate(BYTES, ALIGNMENT);
        dimensions = arena.allocate(ValueLayout.JAVA_LONG, MOST_DIMENSIONS);
        strides = arena.allocate(ValueLayout.JAVA_LONG, MOST_DIMENSIONS);
        part = arena.allocate(ValueLayout.JAVA_INT, MOST_DIMENSIONS);
        steps = arena.allocate(ValueLayout.JAVA_INT, MOST_DIMENSIONS);
        for (int i = 0; i < MOST_DIMENSIONS; i++) {
            steps.setAtIndex(ValueLayout.JAVA_INT, i, 1);
        }
    }

    MemorySegment memory() {
        return memory;
    }

    /** A weight's tiles: elements of a tile, tiles along the columns, row tiles. */
    void tiles(DeviceMemory tiles, int rowTiles, int columnTiles) {
        int elements = CudaWeight.TILE * CudaWeight.TILE;
        dimension(0, elements, CudaWeight.TILE_BYTES, elements);
        dimension(1, columnTiles, (long) CudaWeight.TILE_BYTES * columnTiles, PART_TILES);
        dimension(2, rowTiles, 0, PART_ROW_TILES);
        driver.encodeMap(memory, BF16, 3, tiles.address(), dimensions, strides, part, steps, NOT_SWIZZLED);
    }

    /** A weight's groups of four bits: 32-bit words of a group, groups along the columns, row tiles. */
    void groups(DeviceMemory groups, int rowTiles, int columnGroups) {
        int words = CudaWeight.GROUP_BYTES / 4;
        dimension(0, words, CudaWeight.GROUP_BYTES, words);
        dimension(1, columnGroups, (long) CudaWeight.GROUP_BYTES * columnGroups, 1);
        dimension(2, rowTiles, 0, PART_ROW_TILES);
        driver.encodeMap(memory, UINT32, 3, groups.address(), dimensions, strides, part, steps, NOT_SWIZZLED);
    }

    /** Rows of bf16. */
    void rows(long address, int rows, int columns, int partRows) {
        dimension(0, columns, 2L * columns, PART_COLUMNS);
        dimension(1, rows, 0, partRows);
        driver.encodeMap(memory, BF16, 2, address, dimensions, strides, part, steps, SWIZZLED_128);
    }

    /** @param stride bytes from one to the next of the dimension after this one */
    private void dimension(int index, long size, long stride, int ofPart) {
        dimensions.setAtIndex(ValueLayout.JAVA_LONG, index, size);
        strides.setAtIndex(ValueLayout.JAVA_LONG, index, stride);
        part.setAtIndex(ValueLayout.JAVA_INT, index, ofPart);
    }
}
