package dev.skein.compute.cuda;

import dev.skein.compute.AttentionShape;
import dev.skein.compute.KvCache;
import dev.skein.compute.StepInputs.Region;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Launches {@code attention.cu}: tokens that stand alone by one kernel, those beside others of their sequence by another. */
final class CudaAttention {
    static final List<Integer> HEAD_SIZES = List.of(32, 64, 80, 96, 128, 256);

    /** Cache blocks in a chunk. Part of the arithmetic: with another number, other bits come out. */
    private static final int CHUNK_BLOCKS = 8;

    static final int CHUNK_TOKENS = CHUNK_BLOCKS * KvCache.BLOCK_SIZE;

    /** For parts that wait to be merged; more tokens are taken in turns. */
    static final long MOST_PARTIAL_BYTES = 256L << 20;

    private static final int WIDEST = 256;
    private static final int COLUMN_TILE = 8;
    private static final int THREADS = 128;
    private static final int EVERYTHING = 1 << 30;

    private final CudaKernels kernels;
    private final CudaScratch partial;
    private final Map<Integer, Kernels> byHeadSize = new HashMap<>();

    private record Kernels(CudaKernel single, CudaKernel merge, CudaKernel prompt) {}

    CudaAttention(CudaContext context, CudaKernels kernels) {
        this.kernels = kernels;
        partial = new CudaScratch(context);
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
            prompts(chosen, stream, step, qkv, shape, cache, layer, out);
        }
    }

    private Kernels kernels(int headSize) {
        return new Kernels(
                kernels.kernel("skein_attention_" + headSize),
                kernels.kernel("skein_attention_merge_" + headSize),
                kernels.kernel("skein_prompt_" + headSize));
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
        int chunks = step.loneChunks();
        long each = chunks == 1 ? 0 : partBytes(shape) * chunks;
        int atOnce = each == 0 ? step.lones() : (int) Math.clamp(MOST_PARTIAL_BYTES / each, 1, step.lones());
        long memory = partial.atLeast(atOnce * each).address();
        for (int first = 0; first < step.lones(); first += atOnce) {
            int count = Math.min(atOnce, step.lones() - first);
            long rows = step.loneAddress(first, count);
            where(chosen.single, step, qkv, shape).with(rows);
            how(chosen.single, shape, cache, layer).with(memory).with(out.memory());
            chosen.single.launch(stream, chunks, headBlocks(shape), count, THREADS, 0);
            if (chunks > 1) {
                chosen.merge.with(step.address(Region.POSITIONS)).with(rows).with(window(shape));
                chosen.merge
                        .with(shape.queryHeads())
                        .with(CHUNK_BLOCKS)
                        .with(chunks)
                        .with(memory)
                        .with(out.memory());
                chosen.merge.launch(stream, shape.queryHeads(), count, 1, shape.headSize(), 0);
            }
        }
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
        how(chosen.prompt, shape, cache, layer).with(out.memory());
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

    private static CudaKernel how(CudaKernel kernel, AttentionShape shape, CudaKvCache cache, int layer) {
        return kernel.with(cache.keys(layer))
                .with(cache.values(layer))
                .with(shape.queryHeads())
                .with(shape.kvHeads())
                .with(shape.scale())
                .with(CHUNK_BLOCKS);
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
