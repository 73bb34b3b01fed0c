// Attention of prompts for compute capability 9.0, by products of a warpgroup. It is the attention of attention.cu up to
// rounding: blocks of 128 keys in rising order, one running maximum, nothing merged.
//   skein_lay_H brings a sequence's keys and values from the cache's tiles to images: 128 keys of a head as products want their
//       operand in shared memory, all keys first, then all values. That costs a few hundredths of what attention does.
//   skein_flash_H: 128 columns (a column is one head of one token, heads that share keys beside each other) a block. One
//       warpgroup has the copy engine bring images; two have 64 columns each: S = Q K' with Q in registers, P V with P in
//       registers. The next S is under way while the weights of the one before meet their values.
#include "hopper.cuh"

constexpr int KEYS = 128;
constexpr int SLOTS = 6;  // images of keys or values on their way
constexpr float LOG2E = 1.4426950408889634f;

__device__ constexpr int image_bytes(int head) { return head * KEYS * 2; }

// pieces: for each block of grid x a sequence and which of its blocks of KEYS. Where a sequence ends come zeros.
template <int HEAD>
__device__ inline void lay(const int2* pieces, const int* positions, const int* lastToken, const int* blockStart, const int* blocks,
                           const bf16* keys, const bf16* values, int kvHeads, uint4* images) {
    SKEIN_SHARED(uint8_t, image);
    constexpr int TILES = HEAD / TILE;
    dependency_wait();
    dependents_start();
    int2 piece = pieces[blockIdx.x];
    int end = positions[lastToken[piece.x]] / BLOCK_TOKENS + 1;
    const int* table = blocks + blockStart[piece.x];
    int lane = threadIdx.x % WARP;
    int within = threadIdx.x / WARP;  // a warp a block of the cache
    int block = piece.y * (KEYS / BLOCK_TOKENS) + within;
    int64_t at = block < end ? ((int64_t)table[block] * kvHeads + blockIdx.y) * HEAD * BLOCK_TOKENS : 0;
    int g = lane / 4;
    int inside = lane % 4 * 4;
#pragma unroll
    for (int which = 0; which < 2; which++) {
        const uint4* from = (const uint4*)((which == 0 ? keys : values) + at) + lane;
        uint4 tile[TILES];
#pragma unroll
        for (int d = 0; d < TILES; d++) {
            tile[d] = block < end ? from[d * WARP] : make_uint4(0, 0, 0, 0);
        }
#pragma unroll
        for (int d = 0; d < TILES; d++) {
            // Rows are keys and columns elements, or the other way round.
            int row = (which == 0 ? within : d) * TILE + g;
            int column = (which == 0 ? d : within) * TILE / 8;
            uint8_t* to = image + which * image_bytes(HEAD) + column / 8 * ((which == 0 ? KEYS : HEAD) * 128) + inside;
            *(uint32_t*)(to + swizzled(row, column % 8)) = tile[d].x;
            *(uint32_t*)(to + swizzled(row + 8, column % 8)) = tile[d].y;
            *(uint32_t*)(to + swizzled(row, column % 8 + 1)) = tile[d].z;
            *(uint32_t*)(to + swizzled(row + 8, column % 8 + 1)) = tile[d].w;
        }
    }
    __syncthreads();
    constexpr int VECTORS = 2 * image_bytes(HEAD) / 16;
    uint4* to = images + ((int64_t)blockIdx.x * kvHeads + blockIdx.y) * VECTORS;
    for (int i = threadIdx.x; i < VECTORS; i += blockDim.x) {
        to[i] = ((const uint4*)image)[i];
    }
}

// The images on their way: keys of the first block, then keys of each next one and values of the one before it.
template <int HEAD>
struct Images {
    uint32_t shared;
    int step = 0;

    __device__ uint32_t full() const { return shared + SLOTS * image_bytes(HEAD) + step % SLOTS * 16; }
    __device__ uint32_t slot() const { return shared + step % SLOTS * image_bytes(HEAD); }

    __device__ void init() const {
        if (threadIdx.x == 0) {
            for (int s = 0; s < SLOTS; s++) {
                barrier_init(shared + SLOTS * image_bytes(HEAD) + s * 16, 1);
                barrier_init(shared + SLOTS * image_bytes(HEAD) + s * 16 + 8, 8);
            }
            barriers_ready();
        }
        __syncthreads();
    }

    __device__ void fill(const uint8_t* from) {
        if (step >= SLOTS) {
            barrier_wait(full() + 8, step / SLOTS - 1 & 1);
        }
        barrier_arrive_expecting(full(), image_bytes(HEAD));
        copy_bulk(slot(), from, image_bytes(HEAD), full());
        step++;
    }

    __device__ uint32_t await() const {
        barrier_wait(full(), step / SLOTS & 1);
        return slot();
    }

    __device__ static void release(uint32_t full) {
        if (threadIdx.x % WARP == 0) {
            barrier_arrive(full + 8);
        }
    }
};

struct Columns {
    int rows[2];       // of x for the lane's two columns, or -1
    int heads[2];
    int last[2];       // the last position that it sees

    __device__ Columns(const int* positions, int first, int firstHead, int heads_, int count) {
        int warp = threadIdx.x / WARP;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            int column = warp * 16 + threadIdx.x % WARP / 4 + i * 8;
            rows[i] = column < count ? first + column / heads_ : -1;
            heads[i] = firstHead + column % heads_;
            last[i] = positions[column < count ? rows[i] : first];
        }
    }
};

template <int HEAD>
__device__ inline void attend(const float* qkv, const Columns& columns, Images<HEAD> images, int fused, int queryHeads, int begin,
                              int end, int lowest, int window, float scale, bf16* out) {
    constexpr int STEPS = HEAD / TILE;
    int t = threadIdx.x % 4;
    uint4 q[STEPS];
#pragma unroll
    for (int d = 0; d < STEPS; d++) {
        uint32_t word[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int row = columns.rows[i % 2];
            float2 pair = make_float2(0.f, 0.f);
            if (row >= 0) {
                pair = *(const float2*)(qkv + (int64_t)row * fused + columns.heads[i % 2] * HEAD + d * TILE + i / 2 * 8 + t * 2);
            }
            word[i] = pack(pair.x, pair.y);
        }
        q[d] = make_uint4(word[0], word[1], word[2], word[3]);
    }
    float o[HEAD / 2];
    float s[KEYS / 2];
    uint4 p[KEYS / TILE];
    float highest[2] = {-INFINITY, -INFINITY};
    float sum[2] = {0.f, 0.f};
    float before[2];
    auto multiply_keys = [&](uint32_t k) {
#pragma unroll
        for (int d = 0; d < STEPS; d++) {
            Product<KEYS>::add(s, q[d], operand(k + d / 4 * (KEYS * 128)) + d % 4 * 2, d > 0);
        }
        product_commit();
    };
    // Scores become weights relative to the highest so far; `before` is what earlier ones are to be multiplied by.
    auto weigh = [&](int block) {
        int first = block * KEYS;
        if (first + KEYS - 1 > lowest || window < 1 << 29) {
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++) {
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    int key = first + j * 8 + t * 2 + i % 2;
                    int last = columns.last[i / 2];
                    s[4 * j + i] = key <= last && key > last - window ? s[4 * j + i] : -INFINITY;
                }
            }
        }
#pragma unroll
        for (int i = 0; i < 2; i++) {
            float top = highest[i];
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++) {
                top = fmaxf(top, fmaxf(s[4 * j + 2 * i], s[4 * j + 2 * i + 1]));
            }
            top = fmaxf(top, __shfl_xor_sync(FULL, top, 1));
            top = fmaxf(top, __shfl_xor_sync(FULL, top, 2));
            float safe = top == -INFINITY ? 0.f : top * scale;
            before[i] = exp2_fast(highest[i] * scale - safe);
            highest[i] = top;
            float own = 0.f;
#pragma unroll
            for (int j = 0; j < KEYS / 8; j++) {
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float& x = s[4 * j + 2 * i + e];
                    x = exp2_fast(__fmaf_rn(x, scale, -safe));
                    own += x;
                }
            }
            sum[i] = __fmaf_rn(sum[i], before[i], own);
        }
    };
    auto round_weights = [&] {
#pragma unroll
        for (int j = 0; j < KEYS / TILE; j++) {
            const float* x = s + 8 * j;
            p[j] = make_uint4(pack(x[0], x[1]), pack(x[2], x[3]), pack(x[4], x[5]), pack(x[6], x[7]));
        }
    };
    auto multiply_values = [&](uint32_t v, int add) {
#pragma unroll
        for (int j = 0; j < KEYS / TILE; j++) {
            Product<HEAD>::add(o, p[j], operand(v + j / 4 * (HEAD * 128)) + j % 4 * 2, j > 0 ? 1 : add);
        }
        product_commit();
    };
    product_fence();
    multiply_keys(images.await());
    product_wait<0>();
    images.release(images.full());
    images.step++;
    weigh(begin);
    round_weights();
    for (int block = begin + 1; block < end; block++) {
        uint32_t k = images.await();
        uint32_t kFull = images.full();
        images.step++;
        product_fence();
        multiply_keys(k);
        uint32_t v = images.await();
        uint32_t vFull = images.full();
        images.step++;
        multiply_values(v, block > begin + 1);
        product_wait<1>();
        images.release(kFull);
        weigh(block);
        product_wait<0>();
        images.release(vFull);
#pragma unroll
        for (int i = 0; i < HEAD / 2; i++) {
            o[i] *= before[i / 2 % 2];
        }
        round_weights();
    }
    uint32_t v = images.await();
    product_fence();
    multiply_values(v, end > begin + 1);
    product_wait<0>();
#pragma unroll
    for (int i = 0; i < 2; i++) {
        sum[i] += __shfl_xor_sync(FULL, sum[i], 1);
        sum[i] += __shfl_xor_sync(FULL, sum[i], 2);
        if (columns.rows[i] >= 0) {
            float share = 1.f / sum[i];
            uint32_t* to = (uint32_t*)(out + ((int64_t)columns.rows[i] * queryHeads + columns.heads[i]) * HEAD) + t;
#pragma unroll
            for (int d = 0; d < HEAD / 8; d++) {
                to[d * 4] = pack(o[4 * d + 2 * i] * share, o[4 * d + 2 * i + 1] * share);
            }
        }
    }
}

template <int HEAD>
__device__ inline void flash(const float* qkv, const int* positions, const int* sequence, const int* pieceStart, int window,
                             const int2* tiles, const uint8_t* images, int queryHeads, int kvHeads, float scale, bf16* out) {
    SKEIN_SHARED(uint8_t, dynamic);
    Images<HEAD> ring{shared_address(dynamic) + 1023 & ~1023};
    ring.init();
    dependency_wait();
    dependents_start();
    int2 rows = tiles[gridDim.x - 1 - blockIdx.x];  // the longest first
    int first = rows.x;
    int group = queryHeads / kvHeads;
    int parts = (group + 7) / 8;
    int kvHead = blockIdx.y / parts;
    int inGroup = blockIdx.y % parts * 8;
    int heads = min(group - inGroup, 8);
    int begin = max(0, positions[first] - window + 1) / KEYS;
    int end = positions[first + rows.y - 1] / KEYS + 1;
    if (threadIdx.x >= 256) {
        fewer_registers<24>();
        if (threadIdx.x == 256) {
            int64_t piece = 2 * (int64_t)image_bytes(HEAD) * kvHeads;
            const uint8_t* from = images + pieceStart[sequence[first]] * piece + kvHead * 2 * (int64_t)image_bytes(HEAD);
            ring.fill(from + begin * piece);
            for (int block = begin + 1; block < end; block++) {
                ring.fill(from + block * piece);
                ring.fill(from + (block - 1) * piece + image_bytes(HEAD));
            }
            ring.fill(from + (end - 1) * piece + image_bytes(HEAD));
        }
        return;
    }
    more_registers<240>();
    Columns columns(positions, first, kvHead * group + inGroup, heads, rows.y * heads);
    attend<HEAD>(qkv, columns, ring, (queryHeads + 2 * kvHeads) * HEAD, queryHeads, begin, end, positions[first], window,
                 __fmul_rn(scale, LOG2E), out);
}

// skein_lay_H: grid (pieces, kvHeads); block 256; shared memory 512 * H bytes. lastToken: of each sequence, its last row of the
// step; images: 512 * H bytes for each piece and head.
// skein_flash_H: grid (tiles, kvHeads * ceil(group / 8)); block 384; shared memory 6 * 256 * H + 1120 bytes. tiles: first row
// and rows, of one sequence, at most 128 / min(group, 8); pieceStart: of each sequence its first piece.
#define SKEIN_FLASH(H)                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256) skein_lay_##H(                                                   \
        const int2* pieces, const int* positions, const int* lastToken, const int* blockStart, const int* blocks,      \
        const bf16* keys, const bf16* values, int kvHeads, uint4* images) {                                            \
        lay<H>(pieces, positions, lastToken, blockStart, blocks, keys, values, kvHeads, images);                       \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(384, 1) skein_flash_##H(                                              \
        const float* qkv, const int* positions, const int* sequence, const int* pieceStart, int window,                \
        const int2* tiles, const uint8_t* images, int queryHeads, int kvHeads, float scale, bf16* out) {               \
        flash<H>(qkv, positions, sequence, pieceStart, window, tiles, images, queryHeads, kvHeads, scale, out);        \
    }
SKEIN_FLASH(64)
SKEIN_FLASH(128)
