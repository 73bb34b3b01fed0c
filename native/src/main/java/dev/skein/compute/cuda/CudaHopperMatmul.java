package dev.skein.compute.cuda;

import dev.skein.compute.cuda.CudaContext.DeviceMemory;
import dev.skein.compute.cuda.CudaMatmul.Store;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/**
 * Launches {@code matmul_hopper.cu}: products on compute capability 9.0. Some give the bits of {@code matmul.cu}; the faster ones,
 * which add up all columns in one chain or in equal shares, do not. Which is fastest was measured on an H200
 * (kernels-cuda/NOTES.md).
 */
final class CudaHopperMatmul {
    /** With fewer rows {@code matmul.cu} is as fast or faster, */
    private static final int FEWEST_ROWS = 9;

    /** and {@code quantised.cu}. */
    private static final int FEWEST_OF_FOUR_BITS = 5;

    private static final int SLICES = 8;
    private static final int ROW_TILES = 8;
    private static final int STAGE_TILES = 4;
    private static final int ROW_BYTES = 128;
    private static final int BARRIER_BYTES = 16;
    private static final int ALIGNMENT = 1024;
    private static final int SKINNY_THREADS = 288;
    private static final int WIDE_THREADS = 384;

    /** Shared memory through which the sums of a flat kernel go. */
    private static final int OUTLET_BYTES = 34304;

    /** Blocks of four bits and few rows that share a multiprocessor: what they wait for are products, not the memory. */
    private static final int BESIDE = 2;

    private static final int MOST_BESIDE = 32;

    /** Up to so many rows the kernel of the next size is best, */
    private static final int FEW = 64;

    /** and where even ones may be taken. */
    private static final int FEW_OF_EVEN = 128;

    /** What a block of an even kernel leaves for others of each row that it takes, and its counts. */
    private static final int PART_BYTES = 1024;

    private static final int COUNT_BYTES = 32;
    private static final int MOST_ROWS = 256;

    private final int multiprocessors;
    private final List<Variant> tiles;
    private final List<Variant> fourBits;
    private final CudaMap weightMap;
    private final CudaMap rowMap;
    private final Optional<Meeting> meeting;

    /** How the columns, in stages of 64, are given to blocks. */
    private enum Share {
        /** Each block takes all of a tile's. */
        WHOLE,
        /** Eight blocks of a cluster take an eighth each. */
        EIGHTH,
        /** Each block takes as many as the others, of whichever tiles. */
        EVEN
    }

    /** Where the blocks of an even kernel leave their sums of tiles that they share, and how many have. */
    private record Meeting(DeviceMemory parts, DeviceMemory counts) {
        static Meeting of(CudaContext context, CudaStream stream) {
            int multiprocessors = context.device().multiprocessors();
            Meeting meeting = new Meeting(
                    context.allocate((long) multiprocessors * PART_BYTES * MOST_ROWS),
                    context.allocate(multiprocessors * BESIDE * COUNT_BYTES));
            stream.fill(meeting.counts, 0);
            return meeting;
        }
    }

    /**
     * A kernel.
     *
     * @param rows of x that a block takes
     * @param stageMicros what 64 columns take a block, and
     * @param blockMicros what it takes besides; of an even kernel, what the whole takes besides
     */
    private record Variant(
            CudaKernel kernel,
            Share share,
            boolean fourBits,
            int rows,
            int shared,
            double stageMicros,
            double blockMicros) {
        double micros(int rowBlocks, int stages, int wanted, int multiprocessors) {
            int blocksOfX = Math.ceilDiv(wanted, rows);
            int made = rowBlocks * blocksOfX;
            if (share != Share.EVEN) {
                int slices = share == Share.EIGHTH ? SLICES : 1;
                return Math.ceilDiv(made * slices, multiprocessors)
                        * ((double) stages / slices * stageMicros + blockMicros);
            }
            int cluster = cluster(made, stages, multiprocessors);
            if (cluster > 1) {
                return Math.ceilDiv(stages, cluster) * stageMicros + blockMicros;
            }
            // Blocks at different columns of the same rows of a weight each bring these rows from memory.
            boolean apart = blocksOfX > (fourBits ? 2 : 1);
            int blocks = sharing(made, stages, multiprocessors);
            return apart
                    ? Double.MAX_VALUE
                    : Math.ceilDiv(made * stages, blocks) * stageMicros + blockMicros + meetingMicros();
        }

        /** Blocks that share a multiprocessor. */
        int beside() {
            return share == Share.EVEN && fourBits && rows <= MOST_BESIDE ? BESIDE : 1;
        }

        private double meetingMicros() {
            return rows * 0.1;
        }

        /** How many blocks a tile that an even kernel makes has to itself, if tiles are so few; 1: all blocks share all. */
        int cluster(int made, int stages, int multiprocessors) {
            if (made * 4 <= multiprocessors) {
                // Clusters of four do not all fit: multiprocessors come in groups, and some of these are not whole
                // fours.
                return stages >= 3 && meetingMicros() > stages * (fourBits ? 0.07 : 0.036) ? 3 : 1;
            }
            return made * 2 <= multiprocessors && stages >= 2 ? 2 : 1;
        }

        /** How many blocks share all tiles: if it costs few of them, as many for each tile, for then these end together. */
        int sharing(int made, int stages, int multiprocessors) {
            int alike = multiprocessors / made * made;
            return Math.min(
                    Math.multiplyExact(made, stages), 10 * alike >= 9 * multiprocessors ? alike : multiprocessors);
        }
    }

    /** Collects the kernels that the image has for this device, in the order in which they are added. */
    private record Finder(CudaKernels kernels, boolean fourBits, List<Variant> found) {
        void skinny(String name, int rows, int stages, double stageMicros, double blockMicros) {
            add(name, Share.EIGHTH, rows, stages, stageMicros, blockMicros);
        }

        void wide(String name, int rows, int stages, double stageMicros) {
            add(name, Share.WHOLE, rows, stages, stageMicros, 3);
        }

        void flat(String name, int rows, int stages, double stageMicros) {
            add(name, Share.WHOLE, rows, stages, OUTLET_BYTES, stageMicros, 3);
        }

        void even(String name, int rows, int stages, double stageMicros, double blockMicros) {
            add(name, Share.EVEN, rows, stages, stageMicros, blockMicros);
        }

        private void add(String name, Share share, int rows, int stages, double stageMicros, double blockMicros) {
            add(name, share, rows, stages, 0, stageMicros, blockMicros);
        }

        private void add(
                String name, Share share, int rows, int stages, int bytes, double stageMicros, double blockMicros) {
            int weightBytes = ROW_TILES * (fourBits ? CudaWeight.GROUP_BYTES : STAGE_TILES * CudaWeight.TILE_BYTES);
            int shared = stages * (weightBytes + rows * ROW_BYTES + BARRIER_BYTES) + ALIGNMENT + bytes;
            kernels.find(name)
                    .map(kernel -> new Variant(kernel, share, fourBits, rows, shared, stageMicros, blockMicros))
                    .ifPresent(found::add);
        }
    }

    private CudaHopperMatmul(
            CudaContext context, List<Variant> tiles, List<Variant> fourBits, Optional<Meeting> meeting) {
        multiprocessors = context.device().multiprocessors();
        this.tiles = tiles;
        this.fourBits = fourBits;
        this.meeting = meeting;
        weightMap = new CudaMap(context.driver());
        rowMap = new CudaMap(context.driver());
    }

    /** Empty if the image has no such kernels for this device. */
    static Optional<CudaHopperMatmul> of(
            CudaContext context, CudaStream stream, CudaKernels kernels, boolean sameBits) {
        List<Variant> tiles = tiles(new Finder(kernels, false, new ArrayList<>()), sameBits);
        List<Variant> fourBits = fourBits(new Finder(kernels, true, new ArrayList<>()), sameBits);
        if (tiles.isEmpty()) {
            return Optional.empty();
        }
        Optional<Meeting> meeting = sameBits ? Optional.empty() : Optional.of(Meeting.of(context, stream));
        return Optional.of(new CudaHopperMatmul(context, tiles, fourBits, meeting));
    }

    /** What it takes of a device's memory at most. */
    static long bytes(CudaDevice device) {
        return (long) device.multiprocessors() * (PART_BYTES * MOST_ROWS + BESIDE * COUNT_BYTES);
    }

    private static List<Variant> tiles(Finder finder, boolean sameBits) {
        if (sameBits) {
            finder.skinny("skein_skinny_16", 16, 6, 0, 0);
            finder.skinny("skein_skinny_32", 32, 5, 0, 0);
            finder.skinny("skein_skinny_64", 64, 4, 0, 0);
            finder.skinny("skein_skinny_128", 128, 6, 0.7, 8);
            finder.wide("skein_wide_16", 16, 11, 0);
            finder.wide("skein_wide_32", 32, 10, 0);
            finder.wide("skein_wide_64", 64, 8, 0);
        } else {
            finder.even("skein_even_16", 16, 11, 0, 0);
            finder.even("skein_even_32", 32, 10, 0, 0);
            finder.even("skein_even_64", 64, 8, 0, 0);
            finder.even("skein_even_128", 128, 6, 0.42, 8.8);
            finder.even("skein_even_256", 256, 4, 0.69, 10);
            finder.flat("skein_flat_256", 256, 4, 0.73);
        }
        finder.wide("skein_wide_128", 128, 6, 0.5);
        finder.wide("skein_wide_192", 192, 5, 0.63);
        return finder.found;
    }

    private static List<Variant> fourBits(Finder finder, boolean sameBits) {
        if (sameBits) {
            finder.skinny("skein_skinny_q4_16", 16, 12, 0, 0);
            finder.skinny("skein_skinny_q4_32", 32, 10, 0, 0);
            finder.skinny("skein_skinny_q4_64", 64, 7, 0, 0);
            finder.wide("skein_wide_q4_128", 128, 9, 0.55);
        } else {
            finder.even("skein_even_q4_8", 8, 18, 0, 0);
            finder.even("skein_even_q4_16", 16, 15, 0, 0);
            finder.even("skein_even_q4_32", 32, 12, 0, 0);
            finder.even("skein_even_q4_64", 64, 16, 0, 0);
            finder.even("skein_even_q4_128", 128, 10, 0.42, 6);
            finder.even("skein_even_q4_256", 256, 6, 0.78, 10);
            finder.flat("skein_flat_q4_256", 256, 5, 0.73);
        }
        return finder.found;
    }

    boolean takes(CudaWeight weight, int rows) {
        return rows >= (weight.fourBits() && meeting.isPresent() ? FEWEST_OF_FOUR_BITS : FEWEST_ROWS);
    }

    void enqueue(CudaStream stream, CudaWeight weight, long x, CudaBuffer out, int rows, Store store) {
        int rowBlocks = Math.ceilDiv(weight.rowTiles(), ROW_TILES);
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
        int made = Math.multiplyExact(rowBlocks, Math.ceilDiv(rows, variant.rows));
        switch (variant.share) {
            case EIGHTH ->
                kernel.launch(
                        stream, SLICES, rowBlocks, Math.ceilDiv(rows, variant.rows), SKINNY_THREADS, variant.shared);
            case WHOLE -> kernel.launch(stream, Math.min(multiprocessors, made), 1, 1, WIDE_THREADS, variant.shared);
            case EVEN -> {
                Meeting place = meeting.orElseThrow();
                kernel.with(place.parts).with(place.counts);
                int stages = weight.columnGroups();
                int room = multiprocessors * variant.beside();
                int cluster = variant.cluster(made, stages, room);
                int blocks = cluster > 1 ? made * cluster : variant.sharing(made, stages, room);
                kernel.clusters(cluster);
                kernel.launch(stream, blocks, 1, 1, WIDE_THREADS, variant.shared);
            }
        }
    }

    /** @param stages of all columns, 64 each */
    private Variant variant(List<Variant> variants, int rowBlocks, int stages, int rows) {
        if (rows <= (meeting.isPresent() ? FEW_OF_EVEN : FEW)) {
            // Blocks that take all columns are enough for the device only if there are many rows of the weight.
            Share share = meeting.isPresent() ? Share.EVEN : 4 * rowBlocks >= 3 * stages ? Share.WHOLE : Share.EIGHTH;
            Variant other = null;
            for (Variant variant : variants) {
                if (rows <= variant.rows && variant.share == share) {
                    return variant;
                }
                other = other == null && rows <= variant.rows ? variant : other;
            }
            if (other != null) {
                return other;
            }
        }
        return variants.stream()
                .filter(variant -> variant.stageMicros > 0)
                .min(Comparator.comparingDouble(variant -> variant.micros(rowBlocks, stages, rows, multiprocessors)))
                .orElseThrow();
    }
}
