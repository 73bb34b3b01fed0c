// Attention of a step's tokens over the paged cache, each over the tokens of its sequence up to itself.
//
// One arithmetic for all shapes of step. A sequence's tokens are cut into chunks of `chunkBlocks` cache blocks. In a chunk,
// warp w takes blocks w, w + 4, ...; for each it computes S' = K Q' (16 tokens x columns), moves its running maximum, and adds
// V' P' (the online softmax of Milakov and Gimelshein, arXiv 1805.02867). A column is one head of one token; the heads that
// share keys and values lie beside each other (grouped queries), so that a block of the cache is read once for all of them.
// Then the four warps are merged, then chunk after chunk. Nothing of it depends on which columns share a grid block, so a
// token gets the same bits whether it comes alone or in a prompt.
//   skein_attention_H: one token a grid block, one chunk a grid block; skein_attention_merge_H then merges chunks.
//   skein_prompt_H: neighbouring tokens of a sequence in one grid block, which walks all chunks.
//
// Keys and values go from the cache straight into the registers of the tensor cores (tiles: skein.cuh; who writes them:
// rope.cu). S' comes out as an accumulator, and P' must go in as a B operand: movmatrix turns the one into the other.
#include "skein.cuh"
#ifdef SKEIN_HOPPER
#include "hopper.cuh"
#endif

namespace {

constexpr int WARPS = 4;
constexpr float LOG2E = 1.4426950408889634f;

// Where the step's tokens and their sequences' blocks are.
struct Step {
    const int* positions;
    const int* sequence;    // of each token
    const int* blockStart;  // of each sequence, in blocks
    const int* blocks;
    int window;  // how many positions a token sees, its own and those before it

    __device__ int first_seen(int position) const { return max(0, position - window + 1); }
};

__device__ inline float power(float x, float highest) { return x == -INFINITY ? 0.f : exp2_fast(__fadd_rn(x, -highest)); }

// A softmax under way: the highest score so far (times log2 e), and what is relative to it, the sum of weights.
struct Running {
    float highest;
    float sum;
};

// Takes up a further part; what was summed up before is to be multiplied by `before`, the part by `part`.
__device__ inline Running merged(Running a, Running b, float& before, float& part) {
    float highest = fmaxf(a.highest, b.highest);
    before = power(a.highest, highest);
    part = power(b.highest, highest);
    return Running{highest, __fmaf_rn(b.sum, part, __fmul_rn(a.sum, before))};
}

template <int HEAD, int COLUMN_TILES>
struct Shared {
    uint2 query[HEAD / TILE][COLUMN_TILES][WARP];
    Running running[WARPS][COLUMN_TILES * 8];
    float4 part[WARPS][HEAD / TILE][COLUMN_TILES][WARP];
};

template <int HEAD, int COLUMN_TILES>
struct Walk {
    static constexpr int K_TILES = HEAD / TILE;

    float out[K_TILES][COLUMN_TILES][4];  // V' P' so far
    float highest[COLUMN_TILES][2];       // of the lane's two columns, the same in all lanes of a column
    float sum[COLUMN_TILES][2];           // of this lane's tokens only

    __device__ void clear() {
#pragma unroll
        for (int n = 0; n < COLUMN_TILES; n++) {
#pragma unroll
            for (int i = 0; i < 2; i++) {
                highest[n][i] = -INFINITY;
                sum[n][i] = 0.f;
            }
#pragma unroll
            for (int d = 0; d < K_TILES; d++) {
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    out[d][n][i] = 0.f;
                }
            }
        }
    }

    template <bool STAGED>
    __device__ static void load(uint4 (&to)[K_TILES], const uint4* from, uint64_t policy) {
#pragma unroll
        for (int d = 0; d < K_TILES; d++) {
            const uint4* at = from + d * WARP + threadIdx.x % WARP;
            to[d] = STAGED ? *at : load_cached(at, policy);
        }
    }

    // One block of the cache, or a copy of it in shared memory (STAGED). `last[n][i]`: the last of the `window` positions that
    // a column sees.
    template <bool STAGED = false>
    __device__ void block(const Shared<HEAD, COLUMN_TILES>& shared, const uint4* keys, const uint4* values, int first,
                          const int (&last)[COLUMN_TILES][2], int window, float scale) {
        int lane = threadIdx.x % WARP;
        int g = lane / 4;
        uint64_t policy = first_to_leave();
        uint4 k[K_TILES];
        load<STAGED>(k, keys, policy);
        uint4 v[K_TILES];
        // One column tile leaves registers to have both on their way; with more, values take the place of keys.
        if constexpr (COLUMN_TILES == 1 && !STAGED) {
            load<STAGED>(v, values, policy);
        }
        float scores[COLUMN_TILES][4] = {};
#pragma unroll
        for (int n = 0; n < COLUMN_TILES; n++) {
#pragma unroll
            for (int d = 0; d < K_TILES; d++) {
                uint2 q = shared.query[d][n][lane];
                mma(scores[n], k[d], q.x, q.y);
            }
        }
        if constexpr (COLUMN_TILES > 1 || STAGED) {
            load<STAGED>(v, values, policy);
        }
#pragma unroll
        for (int n = 0; n < COLUMN_TILES; n++) {
            // score[i]: token g (i < 2) or g + 8, column 2t + i % 2
            float(&score)[4] = scores[n];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                int token = first + g + (i / 2) * 8;
                int end = last[n][i % 2];
                score[i] = token <= end && token > end - window ? __fmul_rn(score[i], scale) : -INFINITY;
            }
#pragma unroll
            for (int i = 0; i < 2; i++) {
                float top = fmaxf(score[i], score[i + 2]);
#pragma unroll
                for (int step = 4; step < WARP; step <<= 1) {
                    top = fmaxf(top, __shfl_xor_sync(FULL, top, step));
                }
                float next = fmaxf(highest[n][i], top);
                float before = power(highest[n][i], next);
                highest[n][i] = next;
                score[i] = power(score[i], next);
                score[i + 2] = power(score[i + 2], next);
                sum[n][i] = __fadd_rn(__fmul_rn(sum[n][i], before), __fadd_rn(score[i], score[i + 2]));
#pragma unroll
                for (int d = 0; d < K_TILES; d++) {
                    out[d][n][i] = __fmul_rn(out[d][n][i], before);
                    out[d][n][i + 2] = __fmul_rn(out[d][n][i + 2], before);
                }
            }
            uint32_t b0 = transpose(pack(score[0], score[1]));
            uint32_t b1 = transpose(pack(score[2], score[3]));
#pragma unroll
            for (int d = 0; d < K_TILES; d++) {
                mma(out[d][n], v[d], b0, b1);
            }
        }
    }

    // Lays the warp's part where the others can read it.
    __device__ void share(Shared<HEAD, COLUMN_TILES>& shared) {
        int warp = threadIdx.x / WARP;
        int lane = threadIdx.x % WARP;
#pragma unroll
        for (int n = 0; n < COLUMN_TILES; n++) {
#pragma unroll
            for (int i = 0; i < 2; i++) {
                float all = sum[n][i];
#pragma unroll
                for (int step = 4; step < WARP; step <<= 1) {
                    all = __fadd_rn(all, __shfl_xor_sync(FULL, all, step));
                }
                if (lane < 4) {
                    shared.running[warp][n * 8 + lane * 2 + i] = Running{highest[n][i], all};
                }
            }
#pragma unroll
            for (int d = 0; d < K_TILES; d++) {
                const float(&o)[4] = out[d][n];
                shared.part[warp][d][n][lane] = make_float4(o[0], o[1], o[2], o[3]);
            }
        }
    }
};

// Merges the warps' parts of a column: sum of weights and highest, and each warp's factor.
template <int HEAD, int COLUMN_TILES>
__device__ inline Running factors(const Shared<HEAD, COLUMN_TILES>& shared, int column, float (&factor)[WARPS]) {
    Running all = shared.running[0][column];
#pragma unroll
    for (int w = 1; w < WARPS; w++) {
        all.highest = fmaxf(all.highest, shared.running[w][column].highest);
    }
    all.sum = 0.f;
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
        Running part = shared.running[w][column];
        factor[w] = power(part.highest, all.highest);
        all.sum = __fmaf_rn(part.sum, factor[w], all.sum);
    }
    return all;
}

// Elements (d, n) of the merged part that this lane holds: rows g and g + 8 of tile d, columns 2t and 2t + 1 of tile n.
template <int HEAD, int COLUMN_TILES>
__device__ inline float4 merged_part(const Shared<HEAD, COLUMN_TILES>& shared, int d, int n,
                                     const float (&factor)[2][WARPS]) {
    float4 o = make_float4(0.f, 0.f, 0.f, 0.f);
#pragma unroll
    for (int w = 0; w < WARPS; w++) {
        float4 p = shared.part[w][d][n][threadIdx.x % WARP];
        o.x = __fmaf_rn(p.x, factor[0][w], o.x);
        o.y = __fmaf_rn(p.y, factor[1][w], o.y);
        o.z = __fmaf_rn(p.z, factor[0][w], o.z);
        o.w = __fmaf_rn(p.w, factor[1][w], o.w);
    }
    return o;
}

// The columns' queries as B operands. Column c is head `firstHead + c % heads` of row `firstRow + c / heads`; those from
// `columns` on are zeros.
template <int HEAD, int COLUMN_TILES>
__device__ inline void load_queries(Shared<HEAD, COLUMN_TILES>& shared, const float* qkv, int fused, int firstRow,
                                    int firstHead, int heads, int columns) {
    for (int i = threadIdx.x; i < HEAD / TILE * COLUMN_TILES * WARP; i += WARPS * WARP) {
        int lane = i % WARP;
        int n = i / WARP % COLUMN_TILES;
        int d = i / (WARP * COLUMN_TILES);
        int column = n * 8 + lane / 4;
        uint2 q = make_uint2(0, 0);
        if (column < columns) {
            const float* from = qkv + (int64_t)(firstRow + column / heads) * fused +
                                (firstHead + column % heads) * HEAD + d * TILE + lane % 4 * 2;
            q = make_uint2(pack(from[0], from[1]), pack(from[8], from[9]));
        }
        shared.query[d][n][lane] = q;
    }
}

// Walks the blocks [block, end) of the sequence, a warp every fourth.
template <int HEAD, int COLUMN_TILES>
__device__ inline void walk_chunk(Walk<HEAD, COLUMN_TILES>& walk, const Shared<HEAD, COLUMN_TILES>& shared,
                                  const int* table, const bf16* keys, const bf16* values, int kvHeads, int kvHead,
                                  int block, int end, const int (&last)[COLUMN_TILES][2], int window,
                                  float scale) {
    walk.clear();
    for (int b = block + (int)threadIdx.x / WARP; b < end; b += WARPS) {
        int64_t at = ((int64_t)table[b] * kvHeads + kvHead) * HEAD * BLOCK_TOKENS;
        walk.block(shared, (const uint4*)(keys + at), (const uint4*)(values + at), b * BLOCK_TOKENS, last,
                   window, scale);
    }
}

// What a grid block of skein_attention_H has to do.
struct Chunk {
    int row;
    int position;
    int block;  // of the sequence, the chunk's first, and after its last
    int end;
    int kvHead;
    int firstHead;
    int heads;
    bool only;  // no other chunk has anything to add
    const int* table;

    // False: nothing, because of a padding row, a shorter sequence than the longest, or the window.
    __device__ bool find(const Step& step, const int* rows, int queryHeads, int kvHeads, int chunkBlocks) {
        row = rows == nullptr ? blockIdx.z : rows[blockIdx.z];
        position = step.positions[row];
        block = blockIdx.x * chunkBlocks;
        int blocks = position / BLOCK_TOKENS + 1;
        int firstChunk = step.first_seen(position) / (BLOCK_TOKENS * chunkBlocks);
        if (position < 0 || block >= blocks || (int)blockIdx.x < firstChunk) {
            return false;
        }
        end = min(block + chunkBlocks, blocks);
        int group = queryHeads / kvHeads;
        int parts = (group + 7) / 8;  // of a group wider than a tile
        kvHead = blockIdx.y / parts;
        int inGroup = blockIdx.y % parts * 8;
        firstHead = kvHead * group + inGroup;
        heads = min(group - inGroup, 8);
        only = blocks <= (firstChunk + 1) * chunkBlocks;
        table = step.blocks + step.blockStart[step.sequence[row]];
        return true;
    }
};

// Merges the warps' parts and stores them: the result where there is but one chunk, else the chunk's part.
template <int HEAD>
__device__ inline void store_chunk(const Shared<HEAD, 1>& shared, const Chunk& chunk, int queryHeads, float* partial, bf16* out) {
    int lane = threadIdx.x % WARP;
    int g = lane / 4;
    int column = lane % 4 * 2;
    int chunks = gridDim.x;
    float factor[2][WARPS];
    Running all[2] = {factors(shared, column, factor[0]), factors(shared, column + 1, factor[1])};
    float* stats = partial + (int64_t)gridDim.z * queryHeads * chunks * HEAD;
    for (int d = threadIdx.x / WARP; d < HEAD / TILE; d += WARPS) {
        float4 o = merged_part(shared, d, 0, factor);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            if (column + i >= chunk.heads) {
                continue;
            }
            float upper = i == 0 ? o.x : o.y;
            float lower = i == 0 ? o.z : o.w;
            int64_t at = (int64_t)blockIdx.z * queryHeads + chunk.firstHead + column + i;
            if (chunk.only) {
                bf16* to = out + ((int64_t)chunk.row * queryHeads + chunk.firstHead + column + i) * HEAD + d * TILE + g;
                to[0] = to_bf16(__fdiv_rn(upper, all[i].sum));
                to[8] = to_bf16(__fdiv_rn(lower, all[i].sum));
            } else {
                float* to = partial + (at * chunks + blockIdx.x) * HEAD + d * TILE + g;
                to[0] = upper;
                to[8] = lower;
                if (d == 0 && g == 0) {
                    ((Running*)stats)[at * chunks + blockIdx.x] = all[i];
                }
            }
        }
    }
}

template <int HEAD>
__device__ inline void attend_chunk(const float* qkv, Step step, const int* rows, const bf16* keys, const bf16* values, int queryHeads,
                                    int kvHeads, float scale, int chunkBlocks, float* partial, bf16* out) {
    __shared__ Shared<HEAD, 1> shared;
    dependency_wait();
    dependents_start();
    Chunk chunk;
    if (!chunk.find(step, rows, queryHeads, kvHeads, chunkBlocks)) {
        return;
    }
    load_queries<HEAD, 1>(shared, qkv, (queryHeads + 2 * kvHeads) * HEAD, chunk.row, chunk.firstHead, chunk.heads, chunk.heads);
    __syncthreads();
    int last[1][2] = {{chunk.position, chunk.position}};
    Walk<HEAD, 1> walk;
    walk_chunk(walk, shared, chunk.table, keys, values, kvHeads, chunk.kvHead, chunk.block, chunk.end, last, step.window,
               __fmul_rn(scale, LOG2E));
    walk.share(shared);
    __syncthreads();
    store_chunk<HEAD>(shared, chunk, queryHeads, partial, out);
}

#ifdef SKEIN_HOPPER
constexpr int STAGES = 2;  // of each warp: a block's keys and values on their way

// As attend_chunk, through shared memory: the copy engine brings each warp its blocks, STAGES ahead. All but the newest token's
// block are asked for before the kernel before is done, which stores that one. raw: 16 * HEAD + 256 bytes for queries and what
// is running, then STAGES * 256 * HEAD for blocks, whose place the warps' parts take.
template <int HEAD>
__device__ inline void attend_staged(uint8_t* raw, const float* qkv, Step step, const int* rows, const bf16* keys, const bf16* values,
                                     int queryHeads, int kvHeads, float scale, int chunkBlocks, float* partial, bf16* out) {
    constexpr int BYTES = HEAD * BLOCK_TOKENS * 2;
    __shared__ uint64_t barriers[WARPS][STAGES];
    Shared<HEAD, 1>& shared = *(Shared<HEAD, 1>*)raw;
    int warp = threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    uint8_t* own = (uint8_t*)&shared.part[0][0][0][0] + warp * STAGES * 2 * BYTES;
    uint32_t barrier = shared_address(barriers[warp]);
    if (lane < STAGES) {
        barrier_init(barrier + lane * 8, 1);
        barriers_ready();
    }
    __syncwarp();
    Chunk chunk;
    bool found = chunk.find(step, rows, queryHeads, kvHeads, chunkBlocks);
    int count = found ? max(0, (chunk.end - chunk.block - warp + WARPS - 1) / WARPS) : 0;
    int held = 0;  // of the table, a lane one of the warp's next 32 blocks
    auto bring = [&](int i) {
        if (i % WARP == 0) {
            held = i + lane < count ? chunk.table[chunk.block + warp + (i + lane) * WARPS] : 0;
        }
        int64_t at = ((int64_t)__shfl_sync(FULL, held, i % WARP) * kvHeads + chunk.kvHead) * HEAD * BLOCK_TOKENS;
        if (lane == 0) {
            uint32_t to = shared_address(own + i % STAGES * 2 * BYTES);
            barrier_arrive_expecting(barrier + i % STAGES * 8, 2 * BYTES);
            copy_bulk(to, keys + at, BYTES, barrier + i % STAGES * 8);
            copy_bulk(to + BYTES, values + at, BYTES, barrier + i % STAGES * 8);
        }
    };
    int brought = 0;
    for (; brought < min(STAGES, count) && chunk.block + warp + brought * WARPS < chunk.position / BLOCK_TOKENS; brought++) {
        bring(brought);
    }
    dependency_wait();
    dependents_start();
    if (!found) {
        return;
    }
    for (; brought < min(STAGES, count); brought++) {
        bring(brought);
    }
    load_queries<HEAD, 1>(shared, qkv, (queryHeads + 2 * kvHeads) * HEAD, chunk.row, chunk.firstHead, chunk.heads, chunk.heads);
    __syncthreads();
    int last[1][2] = {{chunk.position, chunk.position}};
    Walk<HEAD, 1> walk;
    walk.clear();
    for (int i = 0; i < count; i++) {
        barrier_wait(barrier + i % STAGES * 8, i / STAGES & 1);
        const uint4* k = (const uint4*)(own + i % STAGES * 2 * BYTES);
        walk.template block<true>(shared, k, k + BYTES / 16, (chunk.block + warp + i * WARPS) * BLOCK_TOKENS, last, step.window,
                                  __fmul_rn(scale, LOG2E));
        __syncwarp();
        if (i + STAGES < count) {
            bring(i + STAGES);
        }
    }
    __syncthreads();
    walk.share(shared);
    __syncthreads();
    store_chunk<HEAD>(shared, chunk, queryHeads, partial, out);
}
#endif

// Merges the chunks of one head of one row; only rows of more than one chunk have anything to merge.
template <int HEAD>
__device__ inline void merge_chunks(const int* positions, const int* rows, int window, int queryHeads, int chunkBlocks, int maxChunks,
                                    const float* partial, bf16* out) {
    dependency_wait();
    dependents_start();
    int row = rows == nullptr ? blockIdx.y : rows[blockIdx.y];
    int position = positions[row];
    int chunks = (position / BLOCK_TOKENS + chunkBlocks) / chunkBlocks;
    int first = max(0, position - window + 1) / (BLOCK_TOKENS * chunkBlocks);
    if (position < 0 || chunks <= first + 1) {
        return;
    }
    int64_t at = (int64_t)blockIdx.y * queryHeads + blockIdx.x;
    const float* stats = partial + (int64_t)gridDim.y * queryHeads * maxChunks * HEAD;
    Running all{-INFINITY, 0.f};
    float o = 0.f;
    for (int chunk = first; chunk < chunks; chunk++) {
        float before, part;
        all = merged(all, ((const Running*)stats)[at * maxChunks + chunk], before, part);
        o = __fmaf_rn(partial[(at * maxChunks + chunk) * HEAD + threadIdx.x], part, __fmul_rn(o, before));
    }
    out[((int64_t)row * queryHeads + blockIdx.x) * HEAD + threadIdx.x] = to_bf16(__fdiv_rn(o, all.sum));
}

// tiles: for each grid block of tokens its first row and how many rows, of one sequence and at most
// COLUMN_TILES * 8 / min(group, 8).
template <int HEAD, int COLUMN_TILES>
__device__ inline void attend_prompt(const float* qkv, Step step, const int2* tiles, const bf16* keys,
                                     const bf16* values, int queryHeads, int kvHeads, float scale, int chunkBlocks,
                                     bf16* out) {
    using Parts = Shared<HEAD, COLUMN_TILES>;
    SKEIN_SHARED(uint8_t, raw);
    Parts& shared = *(Parts*)raw;
    float4* total = (float4*)(raw + sizeof(Parts));  // [HEAD / TILE][COLUMN_TILES][WARP], as parts are
    dependency_wait();
    dependents_start();
    int2 rows = tiles[gridDim.x - 1 - blockIdx.x];  // the longest first
    int firstRow = rows.x;
    int group = queryHeads / kvHeads;
    int parts = (group + 7) / 8;
    int kvHead = blockIdx.y / parts;
    int inGroup = blockIdx.y % parts * 8;
    int firstHead = kvHead * group + inGroup;
    int heads = min(group - inGroup, 8);
    int columns = rows.y * heads;
    load_queries<HEAD, COLUMN_TILES>(shared, qkv, (queryHeads + 2 * kvHeads) * HEAD, firstRow, firstHead, heads, columns);
    const int* table = step.blocks + step.blockStart[step.sequence[firstRow]];
    int lane = threadIdx.x % WARP;
    int warp = threadIdx.x / WARP;
    int last[COLUMN_TILES][2];
#pragma unroll
    for (int n = 0; n < COLUMN_TILES; n++) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            int column = n * 8 + lane % 4 * 2 + i;
            last[n][i] = step.positions[firstRow + (column < columns ? column / heads : 0)];
        }
    }
    int blocks = step.positions[firstRow + rows.y - 1] / BLOCK_TOKENS + 1;
    Running all[COLUMN_TILES][2];
#pragma unroll
    for (int n = 0; n < COLUMN_TILES; n++) {
        all[n][0] = all[n][1] = Running{-INFINITY, 0.f};
    }
    int begin = step.first_seen(step.positions[firstRow]) / (BLOCK_TOKENS * chunkBlocks) * chunkBlocks;
    for (int block = begin; block < blocks; block += chunkBlocks) {
        __syncthreads();  // queries are there; parts of the chunk before have been read
        Walk<HEAD, COLUMN_TILES> walk;
        walk_chunk(walk, shared, table, keys, values, kvHeads, kvHead, block, min(block + chunkBlocks, blocks), last,
                   step.window, __fmul_rn(scale, LOG2E));
        walk.share(shared);
        __syncthreads();
#pragma unroll
        for (int n = 0; n < COLUMN_TILES; n++) {
            float factor[2][WARPS];
            float before[2];
            float part[2];
#pragma unroll
            for (int i = 0; i < 2; i++) {
                Running chunk = factors(shared, n * 8 + lane % 4 * 2 + i, factor[i]);
                all[n][i] = merged(all[n][i], chunk, before[i], part[i]);
            }
            for (int d = warp; d < HEAD / TILE; d += WARPS) {
                float4 p = merged_part(shared, d, n, factor);
                float4& o = total[(d * COLUMN_TILES + n) * WARP + lane];
                float4 was = block == begin ? make_float4(0.f, 0.f, 0.f, 0.f) : o;
                o = make_float4(__fmaf_rn(p.x, part[0], __fmul_rn(was.x, before[0])),
                                __fmaf_rn(p.y, part[1], __fmul_rn(was.y, before[1])),
                                __fmaf_rn(p.z, part[0], __fmul_rn(was.z, before[0])),
                                __fmaf_rn(p.w, part[1], __fmul_rn(was.w, before[1])));
            }
        }
    }
#pragma unroll
    for (int n = 0; n < COLUMN_TILES; n++) {
        for (int d = warp; d < HEAD / TILE; d += WARPS) {
            float4 o = total[(d * COLUMN_TILES + n) * WARP + lane];
#pragma unroll
            for (int i = 0; i < 2; i++) {
                int column = n * 8 + lane % 4 * 2 + i;
                if (column < columns) {
                    int64_t at = (int64_t)(firstRow + column / heads) * queryHeads + firstHead + column % heads;
                    bf16* to = out + at * HEAD + d * TILE + lane / 4;
                    to[0] = to_bf16(__fdiv_rn(i == 0 ? o.x : o.y, all[n][i].sum));
                    to[8] = to_bf16(__fdiv_rn(i == 0 ? o.z : o.w, all[n][i].sum));
                }
            }
        }
    }
}

}  // namespace

// rows: the tokens that are meant, or null for all from the first on.
// skein_attention_H: grid (chunks of the longest sequence, kvHeads * ceil(group / 8), rows); block 128. partial holds
// rows * queryHeads * chunks * (H + 2) floats and is not used by rows of one chunk.
// skein_attention_merge_H: grid (queryHeads, rows); block H.
// skein_prompt_H: grid (tiles, kvHeads * ceil(group / 8)); block 128; shared memory for C column tiles:
// C * (176 * H + 256) bytes: queries, what is running, four parts and the total.
#define SKEIN_ATTENTION(H, COLUMN_TILES)                                                                               \
    extern "C" __global__ void __launch_bounds__(128) skein_attention_##H(                                             \
        const float* qkv, const int* positions, const int* sequence, const int* blockStart, const int* blocks,         \
        int window, const int* rows, const bf16* keys, const bf16* values, int queryHeads, int kvHeads, float scale,   \
        int chunkBlocks, float* partial, bf16* out) {                                                                  \
        attend_chunk<H>(qkv, Step{positions, sequence, blockStart, blocks, window}, rows, keys, values, queryHeads,    \
                        kvHeads, scale, chunkBlocks, partial, out);                                                    \
    }                                                                                                                  \
    SKEIN_KERNEL(skein_attention_##H)                                                                                  \
    extern "C" __global__ void __launch_bounds__(H) skein_attention_merge_##H(                                         \
        const int* positions, const int* rows, int window, int queryHeads, int chunkBlocks, int maxChunks,             \
        const float* partial, bf16* out) {                                                                             \
        merge_chunks<H>(positions, rows, window, queryHeads, chunkBlocks, maxChunks, partial, out);                    \
    }                                                                                                                  \
    SKEIN_KERNEL(skein_attention_merge_##H)                                                                            \
    extern "C" __global__ void __launch_bounds__(128) skein_prompt_##H(                                                \
        const float* qkv, const int* positions, const int* sequence, const int* blockStart, const int* blocks,         \
        int window, const int2* tiles, const bf16* keys, const bf16* values, int queryHeads, int kvHeads, float scale, \
        int chunkBlocks, bf16* out) {                                                                                  \
        attend_prompt<H, COLUMN_TILES>(qkv, Step{positions, sequence, blockStart, blocks, window}, tiles, keys, values, \
                                       queryHeads, kvHeads, scale, chunkBlocks, out);                                  \
    }                                                                                                                  \
    SKEIN_KERNEL(skein_prompt_##H)

SKEIN_ATTENTION(32, 4)
SKEIN_ATTENTION(64, 4)
SKEIN_ATTENTION(80, 4)
SKEIN_ATTENTION(96, 4)
SKEIN_ATTENTION(128, 4)
SKEIN_ATTENTION(256, 2)

// skein_staged_H: as skein_attention_H, with the same bits. Shared memory: 528 * H + 256 bytes.
#ifdef SKEIN_HOPPER
#define SKEIN_STAGED(H)                                                                                                \
    extern "C" __global__ void __launch_bounds__(128) skein_staged_##H(                                                \
        const float* qkv, const int* positions, const int* sequence, const int* blockStart, const int* blocks,         \
        int window, const int* rows, const bf16* keys, const bf16* values, int queryHeads, int kvHeads, float scale,   \
        int chunkBlocks, float* partial, bf16* out) {                                                                  \
        SKEIN_SHARED(uint8_t, raw);                                                                                    \
        attend_staged<H>(raw, qkv, Step{positions, sequence, blockStart, blocks, window}, rows, keys, values,          \
                         queryHeads, kvHeads, scale, chunkBlocks, partial, out);                                        \
    }
SKEIN_STAGED(64)
SKEIN_STAGED(128)
#endif
