// out = W x for a step's rows: W in tiles (skein.cuh), x in rows of bf16, sums in 32-bit floats.
//
// Two kernels, one arithmetic. The columns of W are cut into SLICES; each is one chain of mma over its tiles in rising order,
// and the slices' sums are added in order. So an output has the same bits in a step of 1 row and in one of 8,192, whichever
// kernel computes it.
//   skein_matmul_*: up to 64 tokens. Bound by the reading of W: a block has all slices of its row tiles, a warp one slice;
//       W goes from memory to registers, double-buffered, the first of it before the grid before is done.
//   skein_matmul_many: more tokens. 128 rows x 128 tokens a block, both operands through shared memory.
#include "store.cuh"

constexpr int LOADS = 8;          // 16-byte loads that a lane has under way
constexpr int REDUCED_TILES = 8;  // accumulator tiles that pass shared memory at a time: 32 KB

template <int ROW_TILES>
__device__ inline void load_tiles(uint4 (&held)[LOADS], const uint4* weight, const int (&tile)[ROW_TILES], int kTiles,
                                  int k, int end, uint64_t policy) {
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
        int at = k + i / ROW_TILES;
        held[i] = at < end ? load_constant(weight + ((int64_t)tile[i % ROW_TILES] * kTiles + at) * WARP, policy)
                           : make_uint4(0, 0, 0, 0);
    }
}

template <int ROW_TILES, int TOKEN_TILES>
__device__ inline void multiply(const uint4* weight, const bf16* x, void* out, int rows, int rowTiles, int kTiles,
                                int tokens, int mode) {
    constexpr int STEPS = LOADS / ROW_TILES;
    constexpr int TILES = ROW_TILES * TOKEN_TILES;
    constexpr int AT_ONCE = TILES < REDUCED_TILES ? TILES : REDUCED_TILES;
    __shared__ float4 part[SLICES][AT_ONCE][WARP];
    int warp = threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    int g = lane / 4;
    int t = lane % 4;
    int firstToken = blockIdx.x * TOKEN_TILES * 8;
    int tile[ROW_TILES];
#pragma unroll
    for (int r = 0; r < ROW_TILES; r++) {
        tile[r] = min((int)blockIdx.y * ROW_TILES + r, rowTiles - 1);
    }
    int slice = (kTiles + SLICES - 1) / SLICES;
    int k = min(warp * slice, kTiles);
    int end = min(k + slice, kTiles);
    weight += lane;
    uint64_t policy = first_to_leave();
    uint4 held[LOADS];
    load_tiles<ROW_TILES>(held, weight, tile, kTiles, k, end, policy);
    dependency_wait();
    dependents_start();
    const uint32_t* row[TOKEN_TILES];
    bool there[TOKEN_TILES];
#pragma unroll
    for (int n = 0; n < TOKEN_TILES; n++) {
        int token = firstToken + n * 8 + g;
        there[n] = token < tokens;
        row[n] = (const uint32_t*)(x + (int64_t)(there[n] ? token : 0) * kTiles * TILE) + t;
    }
    float sum[ROW_TILES][TOKEN_TILES][4] = {};
    while (k < end) {
        uint4 next[LOADS];
        load_tiles<ROW_TILES>(next, weight, tile, kTiles, k + STEPS, end, policy);
#pragma unroll
        for (int step = 0; step < STEPS; step++) {
            bool in = k + step < end;
#pragma unroll
            for (int n = 0; n < TOKEN_TILES; n++) {
                uint32_t b0 = in && there[n] ? row[n][(k + step) * 8] : 0;
                uint32_t b1 = in && there[n] ? row[n][(k + step) * 8 + 4] : 0;
#pragma unroll
                for (int r = 0; r < ROW_TILES; r++) {
                    mma(sum[r][n], held[step * ROW_TILES + r], b0, b1);
                }
            }
        }
#pragma unroll
        for (int i = 0; i < LOADS; i++) {
            held[i] = next[i];
        }
        k += STEPS;
    }
#pragma unroll
    for (int from = 0; from < TILES; from += AT_ONCE) {
        if (from > 0) {
            __syncthreads();
        }
#pragma unroll
        for (int i = 0; i < AT_ONCE; i++) {
            const float(&s)[4] = sum[(from + i) / TOKEN_TILES][(from + i) % TOKEN_TILES];
            part[warp][i][lane] = make_float4(s[0], s[1], s[2], s[3]);
        }
        __syncthreads();
        for (int i = warp; i < AT_ONCE; i += SLICES) {
            float4 s = part[0][i][lane];
#pragma unroll
            for (int w = 1; w < SLICES; w++) {
                float4 p = part[w][i][lane];
                s.x = __fadd_rn(s.x, p.x);
                s.y = __fadd_rn(s.y, p.y);
                s.z = __fadd_rn(s.z, p.z);
                s.w = __fadd_rn(s.w, p.w);
            }
            int at = blockIdx.y * ROW_TILES + (from + i) / TOKEN_TILES;
            int token = firstToken + (from + i) % TOKEN_TILES * 8 + 2 * t;
            if (at < rowTiles) {
                store4(out, rows, at, g, token, tokens, s, mode);
            }
        }
    }
}

// rows: of out, and where a row of out ends; rowTiles and kTiles: of W, kTiles * 16 columns; mode: a Store.
// Grid: (tokens / TOKENS, rowTiles / ROW_TILES), rounded up; block: 256.
#define SKEIN_MATMUL(NAME, ROW_TILES, TOKENS)                                                                        \
    extern "C" __global__ void __launch_bounds__(256)                                                                \
        NAME(const uint4* __restrict__ weight, const bf16* x, void* out, int rows, int rowTiles, int kTiles,         \
             int tokens, int mode) {                                                                                 \
        multiply<ROW_TILES, TOKENS / 8>(weight, x, out, rows, rowTiles, kTiles, tokens, mode);                       \
    }                                                                                                                \
    SKEIN_KERNEL(NAME)

SKEIN_MATMUL(skein_matmul_8, 1, 8)
SKEIN_MATMUL(skein_matmul_16, 1, 16)
SKEIN_MATMUL(skein_matmul_32, 2, 32)
SKEIN_MATMUL(skein_matmul_64, 2, 64)
