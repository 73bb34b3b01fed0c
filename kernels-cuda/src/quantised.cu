// Products with weights of four bits: out = W x for up to 64 rows, where w = d q + m with an fp16 d and m for each row and 32
// columns, as GGUF's Q4_0 (m = -8 d) and Q4_1 have it. Weights stay as they are in memory, 5 bits each in all, and become
// bf16 in registers, rounded as they would be at load: the bits that come out are those of the product with bf16 tiles.
//
// Without the promise of the same bits, scales are rounded to bf16 first, which halves the instructions: the kernels named q4r.
//
// A group is 16 rows x 64 columns, four tiles beside each other: 32 lanes x 16 bytes, a 32-bit word for each tile with the
// lane's eight elements (skein.cuh) as nibbles: those of even columns from the low end of the low half, those of odd columns
// of the high one, so that a pair comes out at once; then 8 x 16 bytes of scales: for row g the pairs (d, m) of
// row g and of row g + 8 for the first 32 columns, then for the others.
#include "four_bits.cuh"
#include "multiply.cuh"

namespace {

// A warp's way through its slice of one row tile: AHEAD groups under way, the first at once.
struct Groups {
    static constexpr int AHEAD = 3;

    const uint4* group;
    uint4 words[AHEAD];
    uint4 scales[AHEAD];
    uint64_t policy = first_to_leave();
    int k;
    int end;

    __device__ Groups(const uint4* weight, int rowTile, int kTiles) {
        int slice = slice_tiles(kTiles);
        k = min((int)threadIdx.x / WARP * slice, kTiles);
        end = min(k + slice, kTiles);
        int groups = (kTiles + GROUP_TILES - 1) / GROUP_TILES;
        group = weight + (int64_t)rowTile * groups * GROUP_VECTORS;
#pragma unroll
        for (int i = 0; i < AHEAD; i++) {
            load(i, k + i * GROUP_TILES);
        }
    }

    // Slices begin at whole groups.
    __device__ void load(int i, int from) {
        int lane = threadIdx.x % WARP;
        bool there = from < end;
        const uint4* at = group + (int64_t)(from / GROUP_TILES) * GROUP_VECTORS;
        words[i] = there ? load_constant(at + lane, policy) : make_uint4(0, 0, 0, 0);
        scales[i] = there ? load_constant(at + WARP + lane / 4, policy) : make_uint4(0, 0, 0, 0);
    }
};

template <int TOKEN_TILES, typename S>
__device__ inline void multiply_groups(Groups& groups, const bf16* x, void* out, int rows, int kTiles, int tokens,
                                       int mode) {
    int lane = threadIdx.x % WARP;
    int firstToken = blockIdx.x * TOKEN_TILES * 8;
    const uint32_t* row[TOKEN_TILES];
    bool there[TOKEN_TILES];
#pragma unroll
    for (int n = 0; n < TOKEN_TILES; n++) {
        int token = firstToken + n * 8 + lane / 4;
        there[n] = token < tokens;
        row[n] = (const uint32_t*)(x + (there[n] ? (int64_t)token : 0) * kTiles * TILE) + lane % 4;
    }
    float sum[1][TOKEN_TILES][4] = {};
    for (int k = groups.k; k < groups.end; k += Groups::AHEAD * GROUP_TILES) {
#pragma unroll
        for (int i = 0; i < Groups::AHEAD; i++) {
            uint4 tiles[GROUP_TILES];
            expand<S>(groups.words[i], groups.scales[i], tiles);
            groups.load(i, k + (i + Groups::AHEAD) * GROUP_TILES);
#pragma unroll
            for (int j = 0; j < GROUP_TILES; j++) {
                int at = k + i * GROUP_TILES + j;
                bool in = at < groups.end;
#pragma unroll
                for (int n = 0; n < TOKEN_TILES; n++) {
                    uint32_t b0 = in && there[n] ? row[n][at * 8] : 0;
                    uint32_t b1 = in && there[n] ? row[n][at * 8 + 4] : 0;
                    mma(sum[0][n], tiles[j], b0, b1);
                }
            }
        }
    }
    add_slices<1, TOKEN_TILES>(sum, out, rows, gridDim.y, tokens, mode, [](int token) { return (int64_t)token; });
}

}  // namespace

// As skein_matmul_*. Grid: (tokens / TOKENS, rowTiles), rounded up; block: 256.
#define SKEIN_MATMUL_Q4(NAME, TOKENS, S)                                                                             \
    extern "C" __global__ void __launch_bounds__(256, TOKENS == 64 ? 1 : 2)                                         \
        NAME(const uint4* __restrict__ weight, const bf16* x, void* out, int rows, int kTiles, int tokens,          \
             int mode) {                                                                                            \
        Groups groups(weight, blockIdx.y, kTiles);                                                                  \
        dependency_wait();                                                                                          \
        dependents_start();                                                                                         \
        multiply_groups<TOKENS / 8, S>(groups, x, out, rows, kTiles, tokens, mode);                                 \
    }                                                                                                               \
    SKEIN_KERNEL(NAME)

SKEIN_MATMUL_Q4(skein_matmul_q4_8, 8, Scales)
SKEIN_MATMUL_Q4(skein_matmul_q4_16, 16, Scales)
SKEIN_MATMUL_Q4(skein_matmul_q4_64, 64, Scales)
SKEIN_MATMUL_Q4(skein_matmul_q4r_8, 8, RoundedScales)

// The tiles of bf16 that the groups stand for, for products of more rows. Grid: (groups beside each other / 8, rowTiles),
// rounded up; block: 256.
extern "C" __global__ void skein_expand_q4(const uint4* __restrict__ weight, uint4* __restrict__ tiles, int kTiles) {
    dependency_wait();
    dependents_start();
    int lane = threadIdx.x % WARP;
    int groups = (kTiles + GROUP_TILES - 1) / GROUP_TILES;
    int group = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (group >= groups) {
        return;
    }
    const uint4* at = weight + ((int64_t)blockIdx.y * groups + group) * GROUP_VECTORS;
    uint4 made[GROUP_TILES];
    expand(at[lane], at[WARP + lane / 4], made);
#pragma unroll
    for (int j = 0; j < GROUP_TILES; j++) {
        int k = group * GROUP_TILES + j;
        if (k < kTiles) {
            tiles[((int64_t)blockIdx.y * kTiles + k) * WARP + lane] = made[j];
        }
    }
}
SKEIN_KERNEL(skein_expand_q4)

// As skein_tile_rows, of rows of GGUF's Q4_0 (withMinimum 0) or Q4_1 (1) to groups, which were zeros before. A thread takes
// 32 columns of a row: half of a group's columns. Grid: (any, y, z) with y * z >= rows; any block.
extern "C" __global__ void skein_group_rows(const uint8_t* from, int64_t rowBytes, int withMinimum, uint32_t* weight,
                                            int kTiles, int rows, int firstRow, int gated, int lower) {
    dependency_wait();
    dependents_start();
    int row = blockIdx.y * gridDim.z + blockIdx.z;
    if (row >= rows) {
        return;
    }
    int to = firstRow + row;
    to = gated ? to / 8 * TILE + to % 8 + lower : to;
    int groups = (kTiles + GROUP_TILES - 1) / GROUP_TILES;
    int r = to % TILE;
    for (int block = blockIdx.x * blockDim.x + threadIdx.x; block < kTiles / 2; block += gridDim.x * blockDim.x) {
        const uint8_t* at = from + row * rowBytes + (int64_t)block * (withMinimum ? 20 : 18);
        const uint8_t* nibbles = at + (withMinimum ? 4 : 2);
        uint32_t* group = weight + ((int64_t)(to / TILE) * groups + block / 2) * GROUP_VECTORS * 4;
        uint32_t d = at[0] | at[1] << 8;
        // -8 d is exact: three steps of the exponent. A d so large that it overflows is none that a file has.
        float least = __fmul_rn(half_to_float(d), -8.f);
        uint32_t m = withMinimum ? at[2] | at[3] << 8 : float_to_half(least);
        group[WARP * 4 + (r % 8) * 4 + block % 2 * 2 + r / 8] = d | m << 16;
        for (int i = 0; i < 32; i++) {
            int c = i % TILE;
            uint32_t q = i < 16 ? nibbles[i] & 15 : nibbles[i - 16] >> 4;
            int index = tile_index(r, c);
            // A row's element is in a word of its own lane that holds row r + 8's too.
            int nibble = index % 8 / 2 + index % 2 * 4;
            atomicOr(&group[index / 8 * 4 + block % 2 * 2 + i / TILE], q << (nibble * 4));
        }
    }
}
SKEIN_KERNEL(skein_group_rows)
