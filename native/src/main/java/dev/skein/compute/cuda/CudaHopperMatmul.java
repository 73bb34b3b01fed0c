package dev.skein.compute.cuda;

import dev.skein.compute.cuda.CudaMatmul.Store;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Launches {@code matmul_hopper.cu}: products on compute capability 9.0. All but the fastest for many rows, which adds up all
 * columns in one chain, give the bits of {@code matmul.cu}. Which is fastest was measured on an H200 (kernels-cuda/NOTES.md).
 */
final class CudaHopperMatmul {
    private static final int FEWEST_ROWS = 9;

    private static final int SLICES = 8;
    private static final int ROW_TILES = 8;
    private static final int STAGE_TILES = 4;
    private static final int ROW_BYTES = 128;
    private static final int BARRIER_BYTES = 16;
    private static final int ALIGNMENT = 1024;
    private static final int SKINNY_THREADS = 288;
    private static final int WIDE_THREADS = 384;

    /** Up to so many rows the kernel of the next size is best. */
    private static final int FEW = 64;

    private final int multiprocessors;
    private final List<Variant> tiles;
    private final List<Variant> fourBits;
    private final CudaMap weightMap;
    private final CudaMap rowMap;

    /**
     * A kernel.
     *
     * @param rows of x that a block takes
     * @param slices blocks that share the columns: a skinny kernel has several
     * @param stageMicros what 64 columns take a block, and
     * @param blockMicros what it takes besides
     */
    private record Variant(
            CudaKernel kernel, int rows, int shared, int slices, double stageMicros, double blockMicros) {
        boolean skinny() {
            return slices > 1;
        }

        double micros(int rowBlocks, int stages, int wanted, int multiprocessors) {
            int blocks = rowBlocks * slices * up(wanted, rows);
            return up(blocks, multiprocessors) * ((double) stages / slices * stageMicros + blockMicros);
        }
    }

    /** Collects the kernels that the image has for this device, in the order in which they are added. */
    private record Finder(CudaKernels kernels, int weightBytes, List<Variant> found) {
        void skinny(String name, int rows, int stages, double stageMicros, double blockMicros) {
            add(name, rows, stages, SLICES, stageMicros, blockMicros);
        }

        void wide(String name, int rows, int stages, double stageMicros) {
            add(name, rows, stages, 1, stageMicros, 3);
        }

        private void add(String name, int rows, int stages, int slices, double stageMicros, double blockMicros) {
            int shared = stages * (weightBytes + rows * ROW_BYTES + BARRIER_BYTES) + ALIGNMENT;
            kernels.find(name)
                    .map(kernel -> new Variant(kernel, rows, shared, slices, stageMicros, blockMicros))
                    .ifPresent(found::add);
        }
    }

    private CudaHopperMatmul(CudaContext context, List<Variant> tiles, List<Variant> fourBits) {
        multiprocessors = context.device().multiprocessors();
        this.tiles = tiles;
        this.fourBits = fourBits;
        weightMap = new CudaMap(context.driver());
        rowMap = new CudaMap(context.driver());
    }

    /** Empty if the image has no such kernels for this device. */
    static Optional<CudaHopperMatmul> of(CudaContext context, CudaKernels kernels, boolean sameBits) {
        List<Variant> tiles = tiles(
                new Finder(kernels, ROW_TILES * STAGE_TILES * CudaWeight.TILE_BYTES, new ArrayList<>()), sameBits);
        List<Variant> fourBits =
                fourBits(new Finder(kernels, ROW_TILES * CudaWeight.GROUP_BYTES, new ArrayList<>()), sameBits);
        return tiles.isEmpty() ? Optional.empty() : Optional.of(new CudaHopperMatmul(context, tiles, fourBits));
    }

    private static List<Variant> tiles(Finder finder, boolean sameBits) {
        finder.skinny("skein_skinny_16", 16, 6, 0, 0);
        finder.skinny("skein_skinny_32", 32, 5, 0, 0);
        finder.skinny("skein_skinny_64", 64, 4, 0, 0);
        finder.skinny("skein_skinny_128", 128, 6, 0.7, 8);
        finder.wide("skein_wide_16", 16, 11, 0);
        finder.wide("skein_wide_32", 32, 10, 0);
        finder.wide("skein_wide_64", 64, 8, 0);
        finder.wide("skein_wide_128", 128, 6, 0.5);
        finder.wide("skein_wide_192", 192, 5, 0.63);
        if (!sameBits) {
            finder.wide("skein_flat_256", 256, 4, 0.73);
        }
        return finder.found;
    }

    private static List<Variant> fourBits(Finder finder, boolean sameBits) {
        finder.skinny("skein_skinny_q4_16", 16, 12, 0, 0);
        finder.skinny("skein_skinny_q4_32", 32, 10, 0, 0);
        finder.skinny("skein_skinny_q4_64", 64, 7, 0, 0);
        finder.wide("skein_wide_q4_128", 128, 9, 0.55);
        if (!sameBits) {
            finder.wide("skein_flat_q4_256", 256, 5, 0.73);
        }
        return finder.found;
    }

    /** With fewer rows {@code matmul.cu} and {@code quantised.cu} are as fast or faster. */
    static boolean takes(int rows) {
        return rows >= FEWEST_ROWS;
    }

    void enqueue(CudaStream stream, CudaWeight weight, long x, CudaBuffer out, int rows, Store store) {
        int rowBlocks = up(weight.rowTiles(), ROW_TILES);
        Variant variant = variant(weight.fourBits() ? fourBits : tiles, rowBlocks, weight.columnGroups(), rows);
        if (weight.fourBits()) {
            weightMap.groups(weight.memory(), weight.rowTiles(), weight.columnGroups());
        } else {
            weightMap.tiles(weight.memory(), weight.rowTiles(), weight.columnTiles());
        }
        rowMap.rows(x, rows, weight.columns(), variant.rows);
        CudaKernel kernel = variant.kernel;
        kernel.with(weightMap).with(rowMap).with(out.memory()).with(weight.rows());
        kernel.with(weight.rowTiles()).with(weight.columnTiles()).with(rows).with(store.ordinal());
        int blocksOfX = up(rows, variant.rows);
        if (variant.skinny()) {
            kernel.launch(stream, SLICES, rowBlocks, blocksOfX, SKINNY_THREADS, variant.shared);
        } else {
            int tilesOfOut = Math.multiplyExact(rowBlocks, blocksOfX);
            kernel.launch(stream, Math.min(multiprocessors, tilesOfOut), 1, 1, WIDE_THREADS, variant.shared);
        }
    }

    /** @param stages of all columns, 64 each */
    private Variant variant(List<Variant> variants, int rowBlocks, int stages, int rows) {
        if (rows <= FEW) {
            // Blocks that take all columns are enough for the device only if there are many rows of the weight.
            boolean wide = 4 * rowBlocks >= 3 * stages;
            Variant skinny = null;
            for (Variant variant : variants) {
                if (rows <= variant.rows && variant.rows <= FEW) {
                    skinny = skinny == null ? variant : skinny;
                    if (wide && !variant.skinny()) {
                        return variant;
                    }
                }
            }
            if (skinny != null) {
                return skinny;
            }
        }
        return variants.stream()
                .filter(variant -> variant.stageMicros > 0)
                .min(Comparator.comparingDouble(variant -> variant.micros(rowBlocks, stages, rows, multiprocessors)))
                .orElseThrow();
    }

    private static int up(int n, int unit) {
        return (n + unit - 1) / unit;
    }
}
