// The product of up to 64 tokens: see matmul.cu.
#pragma once
#include "store.cuh"

constexpr int LOADS = 8;          // 16-byte loads that a lane has under way
constexpr int REDUCED_TILES = 8;  // accumulator tiles that pass shared memory at a time: 32 KB

// A warp's way through its slice of ROW_TILES row tiles, LOADS tiles at a time, the first of which are under way at once.
template <int ROW_TILES>
struct Loads {
    static constexpr int STEPS = LOADS / ROW_TILES;

    const uint4* tile[ROW_TILES];
    uint4 held[LOADS];
    uint64_t policy = first_to_leave();
    int k;
    int end;

    __device__ Loads(const uint4* weight, int rowTiles, int kTiles) {
        int slice = slice_tiles(kTiles);
        k = min((int)threadIdx.x / WARP * slice, kTiles);
        end = min(k + slice, kTiles);
#pragma unroll
        for (int r = 0; r < ROW_TILES; r++) {
            int at = min((int)blockIdx.y * ROW_TILES + r, rowTiles - 1);
            tile[r] = weight + (int64_t)at * kTiles * WARP + threadIdx.x % WARP;
        }
        load(held, k);
    }

    // Zeros beyond the slice's end.
    __device__ void load(uint4 (&to)[LOADS], int from) const {
#pragma unroll
        for (int i = 0; i < LOADS; i++) {
            int at = from + i / ROW_TILES;
            to[i] = at < end ? load_constant(tile[i % ROW_TILES] + (int64_t)at * WARP, policy) : make_uint4(0, 0, 0, 0);
        }
    }
};

// Adds up the warps' slices in order and stores them.
template <int ROW_TILES, int TOKEN_TILES, typename OutRow>
__device__ inline void add_slices(const float (&sum)[ROW_TILES][TOKEN_TILES][4], void* out, int rows, int rowTiles,
                                  int tokens, int mode, OutRow out_row) {
    constexpr int TILES = ROW_TILES * TOKEN_TILES;
    constexpr int AT_ONCE = TILES < REDUCED_TILES ? TILES : REDUCED_TILES;
    __shared__ float4 part[SLICES][AT_ONCE][WARP];
    int warp = threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    int firstToken = blockIdx.x * TOKEN_TILES * 8 + lane % 4 * 2;
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
            int token = firstToken + (from + i) % TOKEN_TILES * 8;
            if (at < rowTiles) {
                store4(out, rows, at, lane / 4, token, tokens, s, mode, out_row);
            }
        }
    }
}

// x_row and out_row say in which rows of x and out a token of this product is.
template <int ROW_TILES, int TOKEN_TILES, typename XRow, typename OutRow>
__device__ inline void multiply(Loads<ROW_TILES>& loads, const bf16* x, void* out, int rows, int rowTiles, int kTiles,
                                int tokens, int mode, XRow x_row, OutRow out_row) {
    constexpr int STEPS = Loads<ROW_TILES>::STEPS;
    int lane = threadIdx.x % WARP;
    int g = lane / 4;
    int t = lane % 4;
    int firstToken = blockIdx.x * TOKEN_TILES * 8;
    const uint32_t* row[TOKEN_TILES];
    bool there[TOKEN_TILES];
#pragma unroll
    for (int n = 0; n < TOKEN_TILES; n++) {
        int token = firstToken + n * 8 + g;
        there[n] = token < tokens;
        row[n] = (const uint32_t*)(x + (there[n] ? (int64_t)x_row(token) : 0) * kTiles * TILE) + t;
    }
    float sum[ROW_TILES][TOKEN_TILES][4] = {};
    for (int k = loads.k; k < loads.end; k += STEPS) {
        uint4 next[LOADS];
        loads.load(next, k + STEPS);
#pragma unroll
        for (int step = 0; step < STEPS; step++) {
            bool in = k + step < loads.end;
#pragma unroll
            for (int n = 0; n < TOKEN_TILES; n++) {
                uint32_t b0 = in && there[n] ? row[n][(k + step) * 8] : 0;
                uint32_t b1 = in && there[n] ? row[n][(k + step) * 8 + 4] : 0;
#pragma unroll
                for (int r = 0; r < ROW_TILES; r++) {
                    mma(sum[r][n], loads.held[step * ROW_TILES + r], b0, b1);
                }
            }
        }
#pragma unroll
        for (int i = 0; i < LOADS; i++) {
            loads.held[i] = next[i];
        }
    }
    add_slices(sum, out, rows, rowTiles, tokens, mode, out_row);
}
