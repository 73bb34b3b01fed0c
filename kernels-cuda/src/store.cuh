// What the products have in common: slices, and the way of sums into their rows.
#pragma once
#include "skein.cuh"

// Of the columns; each is summed up by itself, in rising order, and then the slices in order. A slice is whole groups of
// SLICE_UNIT tiles, so that weights whose tiles come four at a time have the same slices; the last ones may be empty.
constexpr int SLICES = 8;
constexpr int SLICE_UNIT = 4;

__device__ inline int slice_tiles(int kTiles) {
    return (kTiles + SLICES * SLICE_UNIT - 1) / (SLICES * SLICE_UNIT) * SLICE_UNIT;
}

// What becomes of a sum.
enum Store {
    STORE_FLOAT = 0,  // out = sum
    STORE_ADD = 1,    // out += sum
    STORE_GATED = 2,  // tiles hold 8 gate rows above the 8 up rows that go with them: bf16 out = silu(gate) * up
    STORE_BF16 = 3,   // bf16 out = sum
    STORE_GATED_GELU = 4  // as STORE_GATED, with the tanh approximation of GELU in the place of SiLU
};

// x / (1 + e^-y), where y is x for SiLU and 2 sqrt(2 / pi) (x + 0.044715 x^3) for GELU; times up.
__device__ inline float gated(float gate, float up, int mode) {
    float y = gate;
    if (mode == STORE_GATED_GELU) {
        float square = __fmul_rn(gate, gate);
        y = __fmul_rn(1.5957691216057308f, __fmaf_rn(__fmul_rn(0.044715f, square), gate, gate));
    }
    float e = exp2_fast(__fmul_rn(y, -1.4426950408889634f));
    return __fmul_rn(__fmul_rn(gate, reciprocal_fast(__fadd_rn(1.f, e))), up);
}

// A sum, or with STORE_ADD what it is with what it was added to.
__device__ inline void store(void* out, int rows, int64_t row, int64_t token, float sum, int mode) {
    if (row >= rows) {
        return;
    }
    if (mode == STORE_FLOAT || mode == STORE_ADD) {
        ((float*)out)[token * rows + row] = sum;
    } else {
        ((bf16*)out)[token * rows + row] = to_bf16(sum);
    }
}

// Sums of COUNT accumulator tiles beside each other, four a lane: rows g and g + 8 of row tile `tile`, for `token` and the one
// after it, in the next accumulator tile for 8 tokens further; row_of says where a token's row of out is. What is added to
// is read for all of them before any is written: a load that waits for the store before it takes a way through L2 each time.
template <int COUNT, typename RowOf>
__device__ inline void store_tiles(void* out, int rows, int tile, int g, int token, int tokens, const float (&sums)[4 * COUNT],
                                   int mode, RowOf row_of) {
    bool gate = mode == STORE_GATED || mode == STORE_GATED_GELU;
    int64_t row = (int64_t)tile * (gate ? 8 : TILE) + g;
    float was[4 * COUNT];
#pragma unroll
    for (int i = 0; i < 4 * COUNT; i++) {
        int to = token + i / 4 * 8 + i % 2;
        bool there = mode == STORE_ADD && to < tokens && row + i % 4 / 2 * 8 < rows;
        was[i] = there ? ((const float*)out)[row_of(to) * rows + row + i % 4 / 2 * 8] : 0.f;
    }
#pragma unroll
    for (int i = 0; i < 2 * COUNT; i++) {
        int from = i / 2 * 4 + i % 2;
        int at = token + i / 2 * 8 + i % 2;
        if (at >= tokens) {
            return;
        }
        int64_t to = row_of(at);
        if (gate) {
            store(out, rows, row, to, gated(sums[from], sums[from + 2], mode), STORE_BF16);
        } else {
            float upper = mode == STORE_ADD ? __fadd_rn(was[from], sums[from]) : sums[from];
            float lower = mode == STORE_ADD ? __fadd_rn(was[from + 2], sums[from + 2]) : sums[from + 2];
            store(out, rows, row, to, upper, mode);
            store(out, rows, row + 8, to, lower, mode);
        }
    }
}

// The sums of all accumulator tiles of a row tile for TOKENS tokens, in as many steps as registers allow.
template <int TOKENS, typename RowOf>
__device__ inline void store_all(void* out, int rows, int tile, int g, int token, int tokens, const float (&sums)[TOKENS / 2],
                                 int mode, RowOf row_of) {
    constexpr int COUNT = TOKENS < 64 ? TOKENS / 8 : 8;
#pragma unroll
    for (int n = 0; n < TOKENS / 8; n += COUNT) {
        float some[4 * COUNT];
#pragma unroll
        for (int i = 0; i < 4 * COUNT; i++) {
            some[i] = sums[4 * n + i];
        }
        store_tiles<COUNT>(out, rows, tile, g, token + n * 8, tokens, some, mode, row_of);
    }
}

// The sums of one accumulator tile.
template <typename RowOf>
__device__ inline void store4(void* out, int rows, int tile, int g, int token, int tokens, float4 s, int mode, RowOf row_of) {
    const float sums[4] = {s.x, s.y, s.z, s.w};
    store_tiles<1>(out, rows, tile, g, token, tokens, sums, mode, row_of);
}
