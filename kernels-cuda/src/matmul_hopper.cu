// The products of matmul.cu for compute capability 9.0: the same sums in the same order by products of a warpgroup, which add
// as a warp's do (seen on an H200, and tested). W's tiles are the operand in registers, x the one in shared memory; the copy
// engine brings both through a ring of stages of 128 rows of W and TOKENS rows of x, 64 columns each.
//   skein_skinny_*: up to 128 tokens. A cluster of eight blocks has 128 rows of W, each block one slice of the columns; then
//       each block adds up 16 rows.
//   skein_wide_*: more tokens, or very many rows of W. A block for each multiprocessor goes from tile to tile of 128 rows x TOKENS.
//   skein_even_*: faster, and of other bits. Each block has as many stages as the others. Where tiles are few, a cluster has
//       one, and its blocks add the pieces up as skinny does. Else a share begins and ends anywhere in a tile, and of the
//       blocks that had a piece of a tile, the last one done adds them up, in the order of the columns.
// Where W has four bits an element (quantised.cu) each warp expands its own.
// The maps: of W three dimensions, 256 elements of a tile, tiles along the columns, row tiles; parts of 256 x 4 x 8; or the 160
// words of a group, groups along the columns, row tiles; parts of 160 x 1 x 8. Of x rows and columns; parts of 64 columns x TOKENS rows, swizzled by 128 bytes.
#include "four_bits.cuh"
#include "hopper.cuh"
#include "store.cuh"

constexpr int ROW_TILES = 8;  // of a stage, a warp of two warpgroups each
constexpr int STEP = 4;       // tiles along the columns in a stage
constexpr int MULTIPLIERS = 256;  // threads

static_assert(GROUP_TILES == STEP, "a stage has one group of each row tile of four bits");

// S: how scales of four bits are applied.
template <int TOKENS, int STAGES, bool FOUR_BITS, typename S = Scales>
struct Ring {
    static constexpr int OF_ROW_TILE = FOUR_BITS ? GROUP_VECTORS * 16 : STEP * 512;  // bytes
    static constexpr int WEIGHT = ROW_TILES * OF_ROW_TILE;
    static constexpr int STAGE = WEIGHT + TOKENS * 128;
    static constexpr int BARRIERS = STAGES * STAGE;
    static constexpr int BYTES = BARRIERS + STAGES * 16 + 1024;  // with what aligning takes

    uint32_t shared;
    uint8_t* base;
    int step = 0;  // of all that this thread has filled or emptied

    __device__ Ring(uint8_t* dynamic) {
        shared = shared_address(dynamic) + 1023 & ~1023;
        base = dynamic + (shared - shared_address(dynamic));
    }

    __device__ void init() const {
        if (threadIdx.x == 0) {
            for (int s = 0; s < STAGES; s++) {
                barrier_init(shared + BARRIERS + s * 16, 1);
                barrier_init(shared + BARRIERS + s * 16 + 8, MULTIPLIERS / WARP);
            }
            barriers_ready();
        }
        __syncthreads();
    }

    __device__ uint32_t full() const { return shared + BARRIERS + step % STAGES * 16; }

    // Waits until the stage of this step is empty again, and asks for W from a row tile and a tile of the columns on.
    __device__ void fill_weight(const Map& weight, int rowTile, int k, uint64_t policy) const {
        if (step >= STAGES) {
            barrier_wait(full() + 8, step / STAGES - 1 & 1);
        }
        barrier_arrive_expecting(full(), STAGE);
        copy_part(shared + step % STAGES * STAGE, weight, 0, FOUR_BITS ? k / STEP : k, rowTile, full(), policy);
    }

    __device__ void fill_x(const Map& x, int token, int k) const {
        copy_part(shared + step % STAGES * STAGE + WEIGHT, x, k * TILE, token, full());
    }

    // Begins: a warpgroup's sums += its rows of the next stage times x, or = if add is 0. Slices are whole stages, and where W
    // and x end the stage has zeros.
    __device__ void multiply(float (&sum)[TOKENS / 2], uint4 (&a)[STEP], int add) {
        int stage = step % STAGES;
        barrier_wait(full(), step / STAGES & 1);
        int lane = threadIdx.x % WARP;
        const uint4* tile = (const uint4*)(base + stage * STAGE + threadIdx.x / WARP * OF_ROW_TILE);
        if constexpr (FOUR_BITS) {
            expand<S>(tile[lane], tile[WARP + lane / 4], a);
        } else {
#pragma unroll
            for (int i = 0; i < STEP; i++) {
                a[i] = tile[i * WARP + lane];
            }
        }
        uint64_t b = operand(shared + stage * STAGE + WEIGHT);
        product_fence();
#pragma unroll
        for (int i = 0; i < STEP; i++) {
            Product<TOKENS>::add(sum, a[i], b + i * 2, i > 0 ? 1 : add);
        }
        product_commit();
        step++;
    }

    // The stage `back` steps ago may be filled again: its product is done.
    __device__ void release(int back) const {
        if (threadIdx.x % WARP == 0) {
            barrier_arrive(shared + BARRIERS + (step - back) % STAGES * 16 + 8);
        }
    }

    // Sums of whole stages; if there are registers for it, one product is always under way while the next begins.
    template <bool OVERLAP>
    __device__ void multiply_all(float (&sum)[TOKENS / 2], int steps) {
        if constexpr (!OVERLAP) {
            for (int i = 0; i < steps; i++) {
                uint4 a[STEP];
                multiply(sum, a, i > 0);
                product_wait<0>();
                release(1);
            }
            return;
        }
        uint4 a[2][STEP];
        multiply(sum, a[0], 0);
        int done = 1;
        for (; done + 1 < steps; done += 2) {
            multiply(sum, a[1], 1);
            product_wait<1>();
            release(2);
            multiply(sum, a[0], 1);
            product_wait<1>();
            release(2);
        }
        if (done < steps) {
            multiply(sum, a[1], 1);
            product_wait<1>();
            release(2);
        }
        product_wait<0>();
        release(1);
    }
};

__device__ inline int64_t same_row(int token) { return token; }

namespace skinny {

template <int TOKENS, int STAGES, bool FOUR_BITS>
__device__ inline void run(const Map& weight, const Map& x, void* out, int rows, int rowTiles, int kTiles, int tokens,
                           int mode) {
    SKEIN_SHARED(uint8_t, dynamic);
    Ring<TOKENS, STAGES, FOUR_BITS> ring(dynamic);
    static_assert(TOKENS * 512 <= STAGES * ring.STAGE, "sums take the ring's place");
    int warp = threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    int rank = blockIdx.x;
    int firstToken = blockIdx.z * TOKENS;
    int slice = slice_tiles(kTiles);
    int begin = min(rank * slice, kTiles);
    int end = min(begin + slice, kTiles);
    ring.init();
    float sum[TOKENS / 2] = {};
    if (threadIdx.x == MULTIPLIERS) {
        prefetch(weight);
        prefetch(x);
        uint64_t policy = first_to_leave();
        int ahead = begin;  // W does not depend on the kernel before
        for (; ahead < end && ring.step < STAGES; ahead += STEP, ring.step++) {
            ring.fill_weight(weight, blockIdx.y * ROW_TILES, ahead, policy);
        }
        ring.step = 0;
        dependency_wait();
        for (int k = begin; k < end; k += STEP, ring.step++) {
            if (k >= ahead) {
                ring.fill_weight(weight, blockIdx.y * ROW_TILES, k, policy);
            }
            ring.fill_x(x, firstToken, k);
        }
    } else if (warp < MULTIPLIERS / WARP) {
        dependency_wait();
        dependents_start();
        if (begin < end) {
            ring.template multiply_all<TOKENS != 64>(sum, (end - begin + STEP - 1) / STEP);
        }
    }
    __syncthreads();
    float4* part = (float4*)ring.base;  // [ROW_TILES][TOKENS / 8][WARP]
    if (warp < MULTIPLIERS / WARP) {
#pragma unroll
        for (int n = 0; n < TOKENS / 8; n++) {
            part[(warp * (TOKENS / 8) + n) * WARP + lane] =
                make_float4(sum[4 * n], sum[4 * n + 1], sum[4 * n + 2], sum[4 * n + 3]);
        }
    }
    cluster_sync();
    int at = blockIdx.y * ROW_TILES + rank;
    for (int n = warp; n < TOKENS / 8 && at < rowTiles; n += MULTIPLIERS / WARP + 1) {
        uint32_t from = ring.shared + ((rank * (TOKENS / 8) + n) * WARP + lane) * 16;
        float4 p[SLICES];
#pragma unroll
        for (int r = 0; r < SLICES; r++) {
            p[r] = load_remote(from, r);
        }
        float4 s = p[0];
#pragma unroll
        for (int r = 1; r < SLICES; r++) {
            s.x = __fadd_rn(s.x, p[r].x);
            s.y = __fadd_rn(s.y, p[r].y);
            s.z = __fadd_rn(s.z, p[r].z);
            s.w = __fadd_rn(s.w, p[r].w);
        }
        store4(out, rows, at, lane / 4, firstToken + n * 8 + lane % 4 * 2, tokens, s, mode, same_row);
    }
    cluster_sync();  // others may still read what is here
}

}  // namespace skinny

// As skein_matmul_*. Grid: (8, rowTiles / 8, tokens / TOKENS), rounded up; block: 288; shared memory: Ring::BYTES.
#define SKEIN_SKINNY(NAME, TOKENS, STAGES, BLOCKS, FOUR_BITS)                                                          \
    extern "C" __global__ void __cluster_dims__(8, 1, 1) __launch_bounds__(288, BLOCKS)                                \
        NAME(const __grid_constant__ Map weight, const __grid_constant__ Map x, void* out, int rows,  \
                              int rowTiles, int kTiles, int tokens, int mode) {                                                      \
        skinny::run<TOKENS, STAGES, FOUR_BITS>(weight, x, out, rows, rowTiles, kTiles, tokens, mode);                             \
    }
SKEIN_SKINNY(skein_skinny_16, 16, 6, 2, false)
SKEIN_SKINNY(skein_skinny_32, 32, 5, 2, false)
SKEIN_SKINNY(skein_skinny_64, 64, 4, 2, false)
SKEIN_SKINNY(skein_skinny_128, 128, 6, 1, false)
SKEIN_SKINNY(skein_skinny_q4_16, 16, 12, 2, true)
SKEIN_SKINNY(skein_skinny_q4_32, 32, 10, 2, true)
SKEIN_SKINNY(skein_skinny_q4_64, 64, 7, 2, true)

namespace wide {

constexpr int GROUP = 12;  // tiles of tokens that are gone through together, row block by row block

// The tiles of out in the order in which they are made.
struct Tiles {
    int rowBlocks;
    int tokenBlocks;

    template <int TOKENS>
    __device__ static Tiles of(int rowTiles, int tokens) {
        return Tiles{(rowTiles + ROW_TILES - 1) / ROW_TILES, (tokens + TOKENS - 1) / TOKENS};
    }
    __device__ int count() const { return rowBlocks * tokenBlocks; }
    __device__ void place(int tile, int& rowBlock, int& tokenBlock) const {
        int group = tile / (GROUP * rowBlocks);
        int within = tile - group * GROUP * rowBlocks;
        int wide = min(GROUP, tokenBlocks - group * GROUP);
        rowBlock = within / wide;
        tokenBlock = group * GROUP + within % wide;
    }
};

// The way of a warpgroup's sums to their rows: some tokens at a time through one of two places in shared memory, so that each
// thread stores 16 bytes, and those of a token lie beside each other.
struct Outlet {
    static constexpr int THREADS = 4 * WARP;
    static constexpr int ROUND = 32;              // tokens
    static constexpr int ROW = 4 * TILE * 4;      // bytes of a token: four row tiles of floats
    static constexpr int EIGHT = 8 * ROW + 3 * 32;  // of eight tokens, each pair a little further: no two lanes meet in a bank
    static constexpr int PLACE = ROUND / 8 * EIGHT;
    static constexpr int BYTES = 2 * 2 * PLACE;   // of two warpgroups

    uint8_t* base;

    __device__ Outlet(uint8_t* base) : base(base + group() * 2 * PLACE) {}

    __device__ static int group() { return threadIdx.x / THREADS; }
    __device__ static int place_of(int token) { return token / 8 * EIGHT + token % 8 * ROW + token % 8 / 2 * 32; }
    __device__ static bool of_floats(int mode) { return mode == STORE_FLOAT || mode == STORE_ADD; }

    // Whole 16 bytes of a row of out.
    __device__ static bool takes(int rows, int mode) { return rows % (of_floats(mode) ? 4 : 8) == 0; }

    __device__ static void meet() {
        asm volatile("bar.sync %0, %1;" ::"r"(1 + group()), "n"(THREADS) : "memory");
    }

    // A warp's sums of the accumulator tile whose first token is in `to`.
    __device__ static void put(uint8_t* to, const float (&s)[4], int mode) {
        int lane = threadIdx.x % WARP;
        int warp = threadIdx.x / WARP % 4;
        to += place_of(lane % 4 * 2);
        if (of_floats(mode)) {
            float* at = (float*)to + warp * TILE + lane / 4;
            at[0] = s[0];
            at[8] = s[2];
            at[ROW / 4] = s[1];
            at[ROW / 4 + 8] = s[3];
        } else if (mode == STORE_BF16) {
            bf16* at = (bf16*)to + warp * TILE + lane / 4;
            at[0] = to_bf16(s[0]);
            at[8] = to_bf16(s[2]);
            at[ROW / 2] = to_bf16(s[1]);
            at[ROW / 2 + 8] = to_bf16(s[3]);
        } else {
            bf16* at = (bf16*)to + warp * 8 + lane / 4;
            at[0] = to_bf16(gated(s[0], s[2], mode));
            at[ROW / 2] = to_bf16(gated(s[1], s[3], mode));
        }
    }

    // From a place to rows of out, `vectors` of 16 bytes a token.
    template <int VECTORS>
    __device__ static void take(const uint8_t* from, uint8_t* to, int64_t rowBytes, int bytes, int tokens, bool add) {
        constexpr int EACH = ROUND * VECTORS / THREADS;
        uint4 were[EACH];
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            int at = threadIdx.x % THREADS + i * THREADS;
            int token = at / VECTORS;
            int column = at % VECTORS * 16;
            if (add && token < tokens && column < bytes) {
                were[i] = *(const uint4*)(to + token * rowBytes + column);
            }
        }
        meet();
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            int at = threadIdx.x % THREADS + i * THREADS;
            int token = at / VECTORS;
            int column = at % VECTORS * 16;
            if (token < tokens && column < bytes) {
                uint4 v = *(const uint4*)(from + place_of(token) + column);
                if (add) {
                    v = make_uint4(sum(v.x, were[i].x), sum(v.y, were[i].y), sum(v.z, were[i].z), sum(v.w, were[i].w));
                }
                *(uint4*)(to + token * rowBytes + column) = v;
            }
        }
    }

    __device__ static uint32_t sum(uint32_t a, uint32_t b) {
        return __float_as_uint(__fadd_rn(__uint_as_float(b), __uint_as_float(a)));
    }

    template <int TOKENS>
    __device__ void store(void* out, int rows, int rowBlock, int firstToken, int tokens, const float (&sums)[TOKENS / 2], int mode) {
        static_assert(TOKENS / ROUND % 2 == 0, "each tile begins with the first place");
        int unit = of_floats(mode) ? 4 : 2;
        int ofTile = mode == STORE_GATED || mode == STORE_GATED_GELU ? 8 : TILE;
        int row = (rowBlock * ROW_TILES + group() * 4) * ofTile;
        int bytes = min(4 * ofTile, rows - row) * unit;
#pragma unroll
        for (int n = 0; n < TOKENS; n += ROUND) {
            uint8_t* place = base + n / ROUND % 2 * PLACE;
#pragma unroll
            for (int i = n / 8; i < (n + ROUND) / 8; i++) {
                const float some[4] = {sums[4 * i], sums[4 * i + 1], sums[4 * i + 2], sums[4 * i + 3]};
                put(place + (i - n / 8) * EIGHT, some, mode);
            }
            int64_t token = firstToken + n;
            uint8_t* to = (uint8_t*)out + (token * rows + row) * unit;
            int left = tokens - firstToken - n;
            if (of_floats(mode)) {
                take<16>(place, to, (int64_t)rows * unit, bytes, left, mode == STORE_ADD);
            } else if (ofTile == TILE) {
                take<8>(place, to, (int64_t)rows * unit, bytes, left, false);
            } else {
                take<4>(place, to, (int64_t)rows * unit, bytes, left, false);
            }
        }
    }
};

template <int TOKENS, int STAGES, bool SLICED, bool FOUR_BITS, typename S>
__device__ inline void run(const Map& weight, const Map& x, void* out, int rows, int rowTiles, int kTiles, int tokens,
                           int mode) {
    SKEIN_SHARED(uint8_t, dynamic);
    Ring<TOKENS, STAGES, FOUR_BITS, S> ring(dynamic);
    ring.init();
    Tiles tiles = Tiles::of<TOKENS>(rowTiles, tokens);
    dependency_wait();
    dependents_start();
    if (threadIdx.x >= MULTIPLIERS) {
        fewer_registers<24>();
        if (threadIdx.x > MULTIPLIERS) {
            return;
        }
        prefetch(weight);
        prefetch(x);
        // With few tokens nobody else wants these rows of W.
        uint64_t policy = TOKENS <= 64 ? first_to_leave() : first_to_leave<false>();
        for (int tile = blockIdx.x; tile < tiles.count(); tile += gridDim.x) {
            int rowBlock, tokenBlock;
            tiles.place(tile, rowBlock, tokenBlock);
            for (int k = 0; k < kTiles; k += STEP, ring.step++) {
                ring.fill_weight(weight, rowBlock * ROW_TILES, k, policy);
                ring.fill_x(x, tokenBlock * TOKENS, k);
            }
        }
        return;
    }
    more_registers<240>();
    int warp = threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    int slice = SLICED ? slice_tiles(kTiles) : kTiles;
    Outlet outlet(ring.base + ring.BYTES - 1024);
    for (int tile = blockIdx.x; tile < tiles.count(); tile += gridDim.x) {
        float sum[TOKENS / 2];
        float total[SLICED ? TOKENS / 2 : 1];
        if constexpr (SLICED) {
#pragma unroll
            for (int i = 0; i < TOKENS / 2; i++) {
                total[i] = 0.f;
            }
        }
        for (int begin = 0; begin < kTiles; begin += slice) {
            int end = min(begin + slice, kTiles);
            ring.template multiply_all<!SLICED>(sum, (end - begin + STEP - 1) / STEP);
            if constexpr (SLICED) {
#pragma unroll
                for (int i = 0; i < TOKENS / 2; i++) {
                    total[i] = __fadd_rn(total[i], sum[i]);
                }
            }
        }
        int rowBlock, tokenBlock;
        tiles.place(tile, rowBlock, tokenBlock);
        int rowTile = rowBlock * ROW_TILES + warp;
        int token = tokenBlock * TOKENS + lane % 4 * 2;
        if constexpr (SLICED) {
            if (rowTile < rowTiles) {
                store_all<TOKENS>(out, rows, rowTile, lane / 4, token, tokens, total, mode, same_row);
            }
        } else if (Outlet::takes(rows, mode)) {
            outlet.store<TOKENS>(out, rows, rowBlock, tokenBlock * TOKENS, tokens, sum, mode);
        } else if (rowTile < rowTiles) {
            store_all<TOKENS>(out, rows, rowTile, lane / 4, token, tokens, sum, mode, same_row);
        }
    }
}

}  // namespace wide

// As skein_matmul_*. Grid: any, one block a multiprocessor is best; block: 384; shared memory: Ring::BYTES, and if not SLICED
// Outlet::BYTES, too.
#define SKEIN_WIDE(NAME, TOKENS, STAGES, SLICED, FOUR_BITS, S)                                                         \
    extern "C" __global__ void __launch_bounds__(384, 1)                                                               \
        NAME(const __grid_constant__ Map weight, const __grid_constant__ Map x, void* out, int rows, int rowTiles,     \
             int kTiles, int tokens, int mode) {                                                                       \
        wide::run<TOKENS, STAGES, SLICED, FOUR_BITS, S>(weight, x, out, rows, rowTiles, kTiles, tokens, mode);         \
    }
SKEIN_WIDE(skein_wide_16, 16, 11, true, false, Scales)
SKEIN_WIDE(skein_wide_32, 32, 10, true, false, Scales)
SKEIN_WIDE(skein_wide_64, 64, 8, true, false, Scales)
SKEIN_WIDE(skein_wide_128, 128, 6, true, false, Scales)
SKEIN_WIDE(skein_wide_192, 192, 5, true, false, Scales)
SKEIN_WIDE(skein_wide_q4_128, 128, 9, true, true, Scales)
SKEIN_WIDE(skein_flat_256, 256, 4, false, false, Scales)
SKEIN_WIDE(skein_flat_q4_256, 256, 5, false, true, RoundedScales)

namespace even {

constexpr int WARPS = MULTIPLIERS / WARP;

// A number of stages in equal shares.
struct Shares {
    int each;
    int longer;  // so many shares, the first, have one more

    __device__ Shares(int stages, int count) : each(stages / count), longer(stages % count) {}
    __device__ int begin(int share) const { return share * each + min(share, longer); }
    __device__ int of(int stage) const {
        int ofLonger = longer * (each + 1);
        return stage < ofLonger ? stage / (each + 1) : longer + (stage - ofLonger) / each;
    }
};

// A warp's sums of a tile of which blocks `first` to `last` have a piece each. They leave theirs in `parts`; true in the one
// that comes last, which then has all sums. The counts are zeros before and after.
template <int TOKENS, int AT_ONCE>
__device__ inline bool meet(float (&sum)[TOKENS / 2], float4* parts, int* counts, int first, int last) {
    constexpr int COUNT = TOKENS / 8;
    constexpr int BLOCKS = 4;  // whose loads are under way together: a way through L2 is what this takes
    int warp = threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    // A block's share begins in one tile that is not whole at most, and ends in one.
    auto part = [&](int block) {
        return parts + ((int64_t)((2 * block + (block == first)) * WARPS + warp) * COUNT) * WARP + lane;
    };
    float4* own = part(blockIdx.x);
#pragma unroll
    for (int n = 0; n < COUNT; n++) {
        own[n * WARP] = make_float4(sum[4 * n], sum[4 * n + 1], sum[4 * n + 2], sum[4 * n + 3]);
    }
    __threadfence();
    __syncwarp();
    int* count = counts + first * WARPS + warp;
    int before = lane == 0 ? atomicAdd(count, 1) : 0;
    if (__shfl_sync(FULL, before, 0) < last - first) {
        return false;
    }
    __threadfence();
    if (lane == 0) {
        *count = 0;
    }
#pragma unroll
    for (int n = 0; n < COUNT; n += AT_ONCE) {
        float4 total[AT_ONCE] = {};
        for (int from = first; from <= last; from += BLOCKS) {
            float4 piece[BLOCKS][AT_ONCE];
#pragma unroll
            for (int i = 0; i < BLOCKS * AT_ONCE; i++) {
                int block = from + i / AT_ONCE;
                piece[i / AT_ONCE][i % AT_ONCE] =
                    block <= last ? __ldcg(part(block) + (n + i % AT_ONCE) * WARP) : make_float4(0.f, 0.f, 0.f, 0.f);
            }
#pragma unroll
            for (int i = 0; i < BLOCKS * AT_ONCE; i++) {
                float4& t = total[i % AT_ONCE];
                const float4& p = piece[i / AT_ONCE][i % AT_ONCE];
                t = make_float4(t.x + p.x, t.y + p.y, t.z + p.z, t.w + p.w);
            }
        }
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++) {
            sum[4 * (n + i)] = total[i].x;
            sum[4 * (n + i) + 1] = total[i].y;
            sum[4 * (n + i) + 2] = total[i].z;
            sum[4 * (n + i) + 3] = total[i].w;
        }
    }
    return true;
}

constexpr int MOST_OF_CLUSTER = 4;

// A tile of which each block of the cluster has a piece: each adds up and stores some of the tokens.
template <int TOKENS>
__device__ inline void gather(uint8_t* base, uint32_t shared, const float (&sum)[TOKENS / 2], void* out, int rows,
                              int rowTile, int rowTiles, int firstToken, int tokens, int mode) {
    constexpr int COUNT = TOKENS / 8;
    constexpr int AT_ONCE = COUNT < 4 ? COUNT : 4;
    int blocks = cluster_blocks();
    int warp = threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    float4* part = (float4*)base + warp * COUNT * WARP + lane;
    asm volatile("bar.sync 1, %0;" ::"n"(MULTIPLIERS) : "memory");  // nobody needs the ring any more
#pragma unroll
    for (int n = 0; n < COUNT; n++) {
        part[n * WARP] = make_float4(sum[4 * n], sum[4 * n + 1], sum[4 * n + 2], sum[4 * n + 3]);
    }
    cluster_sync();
    int each = (COUNT + blocks - 1) / blocks;
    int begin = cluster_rank() * each;
    int end = min(begin + each, COUNT);
    int stop = min(tokens, firstToken + end * 8);
    for (int n = begin; n < end; n += AT_ONCE) {
        float total[4 * AT_ONCE] = {};
#pragma unroll
        for (int i = 0; i < MOST_OF_CLUSTER * AT_ONCE; i++) {
            int from = n + i % AT_ONCE;
            if (i / AT_ONCE < blocks && from < end) {
                float4 p = load_remote(shared + ((warp * COUNT + from) * WARP + lane) * 16, i / AT_ONCE);
                float* t = total + i % AT_ONCE * 4;
                t[0] += p.x;
                t[1] += p.y;
                t[2] += p.z;
                t[3] += p.w;
            }
        }
        if (rowTile < rowTiles) {
            store_tiles<AT_ONCE>(out, rows, rowTile, lane / 4, firstToken + n * 8 + lane % 4 * 2, stop, total, mode, same_row);
        }
    }
    cluster_sync();  // others may still read what is here
}

template <int TOKENS, int STAGES, bool FOUR_BITS, int BLOCKS>
__device__ inline void run(const Map& weight, const Map& x, void* out, int rows, int rowTiles, int kTiles, int tokens,
                           int mode, float4* parts, int* counts) {
    SKEIN_SHARED(uint8_t, dynamic);
    Ring<TOKENS, STAGES, FOUR_BITS, RoundedScales> ring(dynamic);
    ring.init();
    wide::Tiles tiles = wide::Tiles::of<TOKENS>(rowTiles, tokens);
    int ofTile = (kTiles + STEP - 1) / STEP;  // stages
    int ofCluster = cluster_blocks();
    // A cluster shares one tile, all blocks together share all tiles.
    Shares shares = ofCluster > 1 ? Shares(ofTile, ofCluster) : Shares(tiles.count() * ofTile, gridDim.x);
    int share = ofCluster > 1 ? cluster_rank() : blockIdx.x;
    int before = ofCluster > 1 ? blockIdx.x / ofCluster * ofTile : 0;
    int begin = before + shares.begin(share);
    int end = before + shares.begin(share + 1);
    int rowBlock, tokenBlock;
    if (threadIdx.x >= MULTIPLIERS) {
        fewer_registers<24>();
        if (threadIdx.x > MULTIPLIERS) {
            return;
        }
        prefetch(weight);
        prefetch(x);
        // With few tokens nobody else wants these rows of W.
        uint64_t policy = TOKENS <= 64 ? first_to_leave() : first_to_leave<false>();
        int ahead = min(begin + STAGES, end);
        for (int pass = 0; pass < 3; pass++) {
            // W does not depend on the kernel before: as many stages as there are get theirs before it is done.
            if (pass == 1) {
                ring.step = 0;
                dependency_wait();
            }
            int to = pass < 2 ? ahead : end;
            for (int at = pass < 2 ? begin : ahead; at < to;) {
                int tile = at / ofTile;
                int stop = min((tile + 1) * ofTile, to);
                tiles.place(tile, rowBlock, tokenBlock);
                for (; at < stop; at++, ring.step++) {
                    int k = (at - tile * ofTile) * STEP;
                    if (pass != 1) {
                        ring.fill_weight(weight, rowBlock * ROW_TILES, k, policy);
                    }
                    if (pass != 0) {
                        ring.fill_x(x, tokenBlock * TOKENS, k);
                    }
                }
            }
        }
        return;
    }
    more_registers<BLOCKS == 1 ? 240 : 104>();
    dependency_wait();
    dependents_start();
    int lane = threadIdx.x % WARP;
    constexpr int AT_ONCE = BLOCKS > 1 ? TOKENS == 8 ? 1 : 2 : TOKENS <= 64 ? TOKENS / 8 : 4;  // as registers allow
    for (int at = begin; at < end;) {
        int tile = at / ofTile;
        int steps = min((tile + 1) * ofTile, end) - at;
        at += steps;
        float sum[TOKENS / 2];
        ring.template multiply_all<BLOCKS == 1>(sum, steps);
        tiles.place(tile, rowBlock, tokenBlock);
        int rowTile = rowBlock * ROW_TILES + threadIdx.x / WARP;
        if (ofCluster > 1) {
            gather<TOKENS>(ring.base, ring.shared, sum, out, rows, rowTile, rowTiles, tokenBlock * TOKENS, tokens, mode);
            return;
        }
        int first = shares.of(tile * ofTile);
        int last = shares.of((tile + 1) * ofTile - 1);
        if (rowTile < rowTiles && (first == last || meet<TOKENS, AT_ONCE>(sum, parts, counts, first, last))) {
            store_all<TOKENS>(out, rows, rowTile, lane / 4, tokenBlock * TOKENS + lane % 4 * 2, tokens, sum, mode, same_row);
        }
    }
}

}  // namespace even

// As skein_matmul_*. Grid: any up to the number of stages of all tiles, as many blocks as there is room for are best; or in
// clusters of up to four blocks, not more than a tile has stages, one cluster for each tile. Block: 384; shared memory:
// Ring::BYTES; BLOCKS: that share a multiprocessor. parts: 1024 * TOKENS bytes a block, of any content; counts: 8 zeros a block.
#define SKEIN_EVEN(NAME, TOKENS, STAGES, FOUR_BITS, BLOCKS)                                                            \
    extern "C" __global__ void __launch_bounds__(384, BLOCKS)                                                          \
        NAME(const __grid_constant__ Map weight, const __grid_constant__ Map x, void* out, int rows, int rowTiles,     \
             int kTiles, int tokens, int mode, float4* parts, int* counts) {                                           \
        even::run<TOKENS, STAGES, FOUR_BITS, BLOCKS>(weight, x, out, rows, rowTiles, kTiles, tokens, mode, parts,      \
                                                     counts);                                                          \
    }
SKEIN_EVEN(skein_even_16, 16, 11, false, 1)
SKEIN_EVEN(skein_even_32, 32, 10, false, 1)
SKEIN_EVEN(skein_even_64, 64, 8, false, 1)
SKEIN_EVEN(skein_even_128, 128, 6, false, 1)
SKEIN_EVEN(skein_even_256, 256, 4, false, 1)
SKEIN_EVEN(skein_even_q4_8, 8, 18, true, 2)
SKEIN_EVEN(skein_even_q4_16, 16, 15, true, 2)
SKEIN_EVEN(skein_even_q4_32, 32, 12, true, 2)
SKEIN_EVEN(skein_even_q4_64, 64, 16, true, 1)
SKEIN_EVEN(skein_even_q4_128, 128, 10, true, 1)
SKEIN_EVEN(skein_even_q4_256, 256, 6, true, 1)
