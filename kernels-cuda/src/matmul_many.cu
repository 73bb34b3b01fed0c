// out = W x for more than 64 rows: the same sums as matmul.cu in the same order, by blocks of 128 rows x 128 tokens.
//
// Sixteen warps, each with 2 row tiles x 32 tokens. W's tiles are copied to shared memory as they are; rows of x are cut into
// pieces of 8 elements, whose places are swapped by the row's number so that a warp's reads touch every bank once. A ring of
// STAGES keeps STAGES - 1 steps of copies under way.
#include "store.cuh"

namespace many {

constexpr int ROW_TILES = 8;    // of a block: 128 rows
constexpr int TOKENS = 128;     // of a block
constexpr int STEP = 2;         // tiles along the columns in a step: 32 columns
constexpr int STAGES = 4;
constexpr int WARP_TOKENS = 4;    // of a warp, in tiles of 8
constexpr int PIECES = STEP * 2;  // of 8 elements, 16 bytes, in a row of x in a step

static_assert(ROW_TILES * STEP * WARP == 512 && TOKENS * PIECES == 512, "one piece of each operand a thread");

struct Stage {
    uint4 weight[ROW_TILES][STEP][WARP];
    uint4 x[TOKENS][PIECES];
};

// Rows 2 apart lie 128 bytes apart, where all banks begin anew.
__device__ inline int place(int token, int piece) { return piece ^ ((token >> 1) & (PIECES - 1)); }

// What one thread copies in every step: 16 bytes of W and 16 of x.
struct Copier {
    const uint4* weight;
    const uint4* x;
    int weightTo;
    int xTo;
    int weightStep;  // which tile of a step
    int xStep;
    bool token;      // whether there is such a token

    __device__ Copier(const uint4* weights, const bf16* rows, int rowTiles, int kTiles, int tokens) {
        int i = threadIdx.x;
        weightStep = i / WARP % STEP;
        int tile = min((int)blockIdx.y * ROW_TILES + i / (WARP * STEP), rowTiles - 1);
        weight = weights + ((int64_t)tile * kTiles + weightStep) * WARP + i % WARP;
        weightTo = i;
        int row = i / PIECES;
        int piece = i % PIECES;
        xStep = piece / 2;
        token = (int)blockIdx.x * TOKENS + row < tokens;
        x = (const uint4*)(rows + (token ? (int64_t)blockIdx.x * TOKENS + row : 0) * kTiles * TILE) + piece;
        xTo = row * PIECES + place(row, piece);
    }

    // Copies the tiles k, k + 1, ... before `end`, and zeros for the rest.
    __device__ void copy(Stage& stage, int k, int end) const {
        bool w = k + weightStep < end;
        copy_async(&stage.weight[0][0][0] + weightTo, w ? weight + (int64_t)k * WARP : weight, w);
        bool v = token && k + xStep < end;
        copy_async(&stage.x[0][0] + xTo, v ? x + k * 2 : x, v);
        copy_commit();
    }
};

}  // namespace many

// As skein_matmul_64. Grid: (tokens / 128, rowTiles / 8), rounded up; block: 512; shared memory: 65536 bytes.
extern "C" __global__ void __launch_bounds__(512, 1)
    skein_matmul_many(const uint4* __restrict__ weight, const bf16* x, void* out, int rows, int rowTiles, int kTiles,
                      int tokens, int mode) {
    using namespace many;
    SKEIN_SHARED(Stage, stages);
    dependency_wait();
    dependents_start();
    int warp = threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    int rowTile = warp / 4 * 2;      // of the block's eight
    int firstToken = warp % 4 * 32;  // of the block's 128
    int slice = slice_tiles(kTiles);
    int sliceSteps = (slice + STEP - 1) / STEP;
    int steps = SLICES * sliceSteps;
    Copier copier(weight, x, rowTiles, kTiles, tokens);
    float total[2][WARP_TOKENS][4] = {};
    float sum[2][WARP_TOKENS][4] = {};
    // Slices need not end at a step's end: what lies beyond is zeros.
    int k = 0;    // of the step to be copied next
    int end = min(slice, kTiles);
    int copied = 0;
    auto copy_next = [&] {
        if (copied < steps) {
            copier.copy(stages[copied % STAGES], k, end);
            copied++;
            k += STEP;
            if (copied % sliceSteps == 0) {
                k = copied / sliceSteps * slice;
                end = min(k + slice, kTiles);
            }
        } else {
            copy_commit();  // an empty group, so that counting groups stays right
        }
    };
    for (int s = 0; s < STAGES - 1; s++) {
        copy_next();
    }
    for (int s = 0; s < steps; s++) {
        copy_wait<STAGES - 2>();
        __syncthreads();
        copy_next();
        Stage& stage = stages[s % STAGES];
#pragma unroll
        for (int step = 0; step < STEP; step++) {
            uint4 a[2] = {stage.weight[rowTile][step][lane], stage.weight[rowTile + 1][step][lane]};
#pragma unroll
            for (int n = 0; n < WARP_TOKENS; n++) {
                int token = firstToken + n * 8 + lane / 4;
                const uint32_t* low = (const uint32_t*)&stage.x[token][place(token, step * 2)];
                const uint32_t* high = (const uint32_t*)&stage.x[token][place(token, step * 2 + 1)];
                uint32_t b0 = low[lane % 4];
                uint32_t b1 = high[lane % 4];
                mma(sum[0][n], a[0], b0, b1);
                mma(sum[1][n], a[1], b0, b1);
            }
        }
        if ((s + 1) % sliceSteps == 0) {
#pragma unroll
            for (int r = 0; r < 2; r++) {
#pragma unroll
                for (int n = 0; n < WARP_TOKENS; n++) {
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        total[r][n][i] = __fadd_rn(total[r][n][i], sum[r][n][i]);
                        sum[r][n][i] = 0.f;
                    }
                }
            }
        }
    }
    int tile = blockIdx.y * ROW_TILES + rowTile;
#pragma unroll
    for (int r = 0; r < 2; r++) {
#pragma unroll
        for (int n = 0; n < WARP_TOKENS; n++) {
            const float(&t)[4] = total[r][n];
            if (tile + r < rowTiles) {
                store4(out, rows, tile + r, lane / 4, blockIdx.x * TOKENS + firstToken + n * 8 + lane % 4 * 2, tokens,
                       make_float4(t[0], t[1], t[2], t[3]), mode, [](int token) { return (int64_t)token; });
            }
        }
    }
}
SKEIN_KERNEL(skein_matmul_many)
