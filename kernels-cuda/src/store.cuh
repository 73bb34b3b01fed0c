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
    return __fmul_rn(__fdiv_rn(gate, __fadd_rn(1.f, e)), up);
}

__device__ inline void store(void* out, int rows, int64_t row, int64_t token, float sum, int mode) {
    if (row >= rows) {
        return;
    }
    if (mode == STORE_FLOAT) {
        ((float*)out)[token * rows + row] = sum;
    } else if (mode == STORE_ADD) {
        ((float*)out)[token * rows + row] += sum;
    } else {
        ((bf16*)out)[token * rows + row] = to_bf16(sum);
    }
}

// Four sums of an accumulator tile: rows g and g + 8 of row tile `tile`, for `token` and the one after it, of which
// row_of says where its row of out is.
template <typename RowOf>
__device__ inline void store4(void* out, int rows, int tile, int g, int token, int tokens, float4 s, int mode, RowOf row_of) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
        if (token + i >= tokens) {
            return;
        }
        int64_t to = row_of(token + i);
        float upper = i == 0 ? s.x : s.y;
        float lower = i == 0 ? s.z : s.w;
        if (mode == STORE_GATED || mode == STORE_GATED_GELU) {
            store(out, rows, (int64_t)tile * 8 + g, to, gated(upper, lower, mode), STORE_BF16);
        } else {
            store(out, rows, (int64_t)tile * TILE + g, to, upper, mode);
            store(out, rows, (int64_t)tile * TILE + g + 8, to, lower, mode);
        }
    }
}
