package dev.skein.compute.cuda;

import dev.skein.compute.AttentionShape;
import dev.skein.compute.KvCache;
import dev.skein.compute.StepInputs.Region;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Launches {@code attention.cu}: tokens that stand alone by one kernel, those beside others of their sequence by another, which on
 * compute capability 9.0 is one of {@code attention_hopper.cu}.
 */
final class CudaAttention {
    static final List<Integer> HEAD_SIZES = List.of(32, 64, 80, 96, 128, 256);

    /** Cache blocks in a chunk. Part of the arithmetic: with another number, other bits come out. */
    private static final int CHUNK_BLOCKS = 8;

    static final int CHUNK_TOKENS = CHUNK_BLOCKS * KvCache.BLOCK_SIZE;

    /** For parts that wait to be merged; more tokens are taken in turns. */
    static final long MOST_PARTIAL_BYTES = 256L << 20;

    /** Where other bits may come out: as long as pays, so that most sequences have one, measured on an H200. */
    private static final int LONG_CHUNK = 96;

    private static final int LONGEST_CHUNK = 128;

    /** Shared memory of the staged kernel, for each element of a head and besides. */
    private static final int STAGED_BYTES = 528;

    private static final int STAGED_REST = 256;

    private static final int WIDEST = 256;
    private static final int COLUMN_TILE = 8;
    private static final int THREADS = 128;
    private static final int EVERYTHING = 1 << 30;

    /** Of the keys and values of a piece for each element of a head: 128 of both, as bf16. */
    private static final int IMAGE_BYTES = 2 * 2 * CudaStep.PIECE_TOKENS;

    /** Of 32,768 tokens of 8 heads of 128. Longer prompts than what fits are attended by the kernel that reads the cache. */
    static final long MOST_IMAGE_BYTES = 128L << 20;

    private static final int LAY_THREADS = 256;
    private static final int FLASH_COLUMNS = 128;
    private static final int FLASH_THREADS = 384;
    private static final int FLASH_IMAGES = 6;
    private static final int FLASH_BARRIERS = 1120;

    private final CudaKernels kernels;
    private final boolean sameBits;
    private final int multiprocessors;
    private final CudaScratch partial;
    private final CudaScratch images;
    private final Map<Integer, Kernels> byHeadSize = new HashMap<>();

    /** Of one size of heads; the last three are of compute capability 9.0. */
    private record Kernels(
            CudaKernel single,
            CudaKernel merge,
            CudaKernel prompt,
            Optional<CudaKernel> staged,
            Optional<CudaKernel> lay,
            Optional<CudaKernel> flash) {}

    /** @param sameBits whether a token must get the same bits alone and in a prompt, at the cost of a prompt's speed */
    CudaAttention(CudaContext context, CudaKernels kernels, boolean sameBits) {
        this.kernels = kernels;
        this.sameBits = sameBits;
        multiprocessors = context.device().multiprocessors();
        partial = new CudaScratch(context);
        images = new CudaScratch(context);
    }

    void enqueue(
            CudaStream stream,
            CudaStep step,
            CudaBuffer qkv,
            AttentionShape shape,
            CudaKvCache cache,
            int layer,
            CudaBuffer out) {
        Kernels chosen = byHeadSize.computeIfAbsent(shape.headSize(), this::kernels);
        if (step.lones() > 0) {
            singles(chosen, stream, step, qkv, shape, cache, layer, out);
        }
        if (step.hasRuns()) {
            long imageBytes = (long) step.pieces() * shape.kvHeads() * shape.headSize() * IMAGE_BYTES;
            if (!sameBits && chosen.flash.isPresent() && chosen.lay.isPresent() && imageBytes <= MOST_IMAGE_BYTES) {
                long at = images.atLeast(imageBytes).address();
                lay(chosen.lay.get(), stream, step, shape, cache, layer, at);
                flash(chosen.flash.get(), stream, step, qkv, shape, at, out);
            } else {
                prompts(chosen, stream, step, qkv, shape, cache, layer, out);
            }
        }
    }

    private static void lay(
            CudaKernel lay,
            CudaStream stream,
            CudaStep step,
            AttentionShape shape,
            CudaKvCache cache,
            int layer,
            long images) {
        step.bringPieces(stream);
        lay.with(step.piecesAddress()).with(step.address(Region.POSITIONS)).with(step.lastTokenAddress());
        lay.with(step.address(Region.BLOCK_START)).with(step.address(Region.BLOCKS));
        lay.with(cache.keys(layer))
                .with(cache.values(layer))
                .with(shape.kvHeads())
                .with(images);
        lay.launch(stream, step.pieces(), shape.kvHeads(), 1, LAY_THREADS, IMAGE_BYTES * shape.headSize());
    }

    private static void flash(
            CudaKernel flash,
            CudaStream stream,
            CudaStep step,
            CudaBuffer qkv,
            AttentionShape shape,
            long images,
            CudaBuffer out) {
        int tiles = step.tiles(FLASH_COLUMNS / Math.min(group(shape), COLUMN_TILE), stream);
        flash.with(qkv.memory()).with(step.address(Region.POSITIONS)).with(step.address(Region.SEQUENCE));
        flash.with(step.pieceStartAddress())
                .with(window(shape))
                .with(step.tilesAddress())
                .with(images);
        flash.with(shape.queryHeads()).with(shape.kvHeads()).with(shape.scale()).with(out.memory());
        int shared = FLASH_IMAGES * IMAGE_BYTES / 2 * shape.headSize() + FLASH_BARRIERS;
        flash.launch(stream, tiles, headBlocks(shape), 1, FLASH_THREADS, shared);
    }

    private Kernels kernels(int headSize) {
        return new Kernels(
                kernels.kernel("skein_attention_" + headSize),
                kernels.kernel("skein_attention_merge_" + headSize),
                kernels.kernel("skein_prompt_" + headSize),
                kernels.find("skein_staged_" + headSize),
                kernels.find("skein_lay_" + headSize),
                kernels.find("skein_flash_" + headSize));
    }

    private void singles(
            Kernels chosen,
            CudaStream stream,
            CudaStep step,
            CudaBuffer qkv,
            AttentionShape shape,
            CudaKvCache cache,
            int layer,
            CudaBuffer out) {
        int blocks = step.loneChunks() * CHUNK_BLOCKS;
        int chunkBlocks = sameBits ? CHUNK_BLOCKS : chunkBlocks(step.lones() * headBlocks(shape), blocks);
        int chunks = Math.ceilDiv(blocks, chunkBlocks);
        long each = chunks == 1 ? 0 : partBytes(shape) * chunks;
        int atOnce = each == 0 ? step.lones() : (int) Math.clamp(MOST_PARTIAL_BYTES / each, 1, step.lones());
        long memory = partial.atLeast(atOnce * each).address();
        for (int first = 0; first < step.lones(); first += atOnce) {
            int count = Math.min(atOnce, step.lones() - first);
            long rows = step.loneAddress(first, count);
            boolean staged = chosen.staged.isPresent() && !fills(chunks * count * headBlocks(shape));
            CudaKernel kernel = staged ? chosen.staged.get() : chosen.single;
            where(kernel, step, qkv, shape).with(rows);
            how(kernel, shape, cache, layer, chunkBlocks).with(memory).with(out.memory());
            int shared = staged ? STAGED_BYTES * shape.headSize() + STAGED_REST : 0;
            kernel.launch(stream, chunks, headBlocks(shape), count, THREADS, shared);
            if (chunks > 1) {
                chosen.merge.with(step.address(Region.POSITIONS)).with(rows).with(window(shape));
                chosen.merge
                        .with(shape.queryHeads())
                        .with(chunkBlocks)
                        .with(chunks)
                        .with(memory)
                        .with(out.memory());
                chosen.merge.launch(stream, shape.queryHeads(), count, 1, shape.headSize(), 0);
            }
        }
    }

    /**
     * Where that leaves more than enough to do for every multiprocessor, chunks of about the same length that are long;
     * otherwise the longest ones that give most multiprocessors one.
     */
    private int chunkBlocks(int blocksBeside, int blocks) {
        int chunks = Math.ceilDiv(blocks, LONG_CHUNK);
        if (fills(blocksBeside * chunks)) {
            return Math.ceilDiv(blocks, chunks);
        }
        int enough = multiprocessors * 9 / 10;
        int chunk = LONGEST_CHUNK;
        while (chunk > CHUNK_BLOCKS && blocksBeside * Math.ceilDiv(blocks, chunk) < enough) {
            chunk /= 2;
        }
        return chunk;
    }

    /** Whether so many grid blocks are as many as the staged kernel's fit on the device; then the other is as fast or faster. */
    private boolean fills(int gridBlocks) {
        return gridBlocks > 3 * multiprocessors;
    }

    /** Of a token's chunk: a sum for each element, and two numbers for each head. */
    private static long partBytes(AttentionShape shape) {
        return 4L * shape.queryHeads() * (shape.headSize() + 2);
    }

    private void prompts(
            Kernels chosen,
            CudaStream stream,
            CudaStep step,
            CudaBuffer qkv,
            AttentionShape shape,
            CudaKvCache cache,
            int layer,
            CudaBuffer out) {
        int columnTiles = shape.headSize() == WIDEST ? 2 : 4;
        int tiles = step.tiles(columnTiles * COLUMN_TILE / Math.min(group(shape), COLUMN_TILE), stream);
        where(chosen.prompt, step, qkv, shape).with(step.tilesAddress());
        how(chosen.prompt, shape, cache, layer, CHUNK_BLOCKS).with(out.memory());
        int shared = columnTiles * (176 * shape.headSize() + 256);
        chosen.prompt.launch(stream, tiles, headBlocks(shape), 1, THREADS, shared);
    }

    private static CudaKernel where(CudaKernel kernel, CudaStep step, CudaBuffer qkv, AttentionShape shape) {
        return kernel.with(qkv.memory())
                .with(step.address(Region.POSITIONS))
                .with(step.address(Region.SEQUENCE))
                .with(step.address(Region.BLOCK_START))
                .with(step.address(Region.BLOCKS))
                .with(window(shape));
    }

    private static CudaKernel how(
            CudaKernel kernel, AttentionShape shape, CudaKvCache cache, int layer, int chunkBlocks) {
        return kernel.with(cache.keys(layer))
                .with(cache.values(layer))
                .with(shape.queryHeads())
                .with(shape.kvHeads())
                .with(shape.scale())
                .with(chunkBlocks);
    }

    private static int window(AttentionShape shape) {
        return shape.window() == 0 ? EVERYTHING : shape.window();
    }

    private static int group(AttentionShape shape) {
        return shape.queryHeads() / shape.kvHeads();
    }

    /** Grid blocks beside each other: a group of heads wider than a tile takes several. */
    private static int headBlocks(AttentionShape shape) {
        return shape.kvHeads() * ((group(shape) + COLUMN_TILE - 1) / COLUMN_TILE);
    }
}
