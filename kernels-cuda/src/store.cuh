// What the products have in common: slices, and the way of sums into their rows.
#pragma once
#include "skein.cuh"

// Of the columns; each is summed up by itself, in rising order, and then the slices in order.
constexpr int SLICES = 8;

// What becomes of a sum.
enum Store {
    STORE_FLOAT = 0,  // out = sum
    STORE_ADD = 1,    // out += sum
    STORE_GATED = 2,  // tiles hold 8 gate rows above the 8 up rows that go with them: bf16 out = silu(gate) * up
    STORE_BF16 = 3    // bf16 out = sum
};

__device__ inline float gated(float gate, float up) {
    float e = exp2_fast(__fmul_rn(gate, -1.4426950408889634f));
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

// Four sums of an accumulator tile: rows g and g + 8 of row tile `tile`, for `token` and the one after it.
__device__ inline void store4(void* out, int rows, int tile, int g, int token, int tokens, float4 s, int mode) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
        if (token + i >= tokens) {
            return;
        }
        float upper = i == 0 ? s.x : s.y;
        float lower = i == 0 ? s.z : s.w;
        if (mode == STORE_GATED) {
            store(out, rows, (int64_t)tile * 8 + g, token + i, gated(upper, lower), STORE_BF16);
        } else {
            store(out, rows, (int64_t)tile * TILE + g, token + i, upper, mode);
            store(out, rows, (int64_t)tile * TILE + g + 8, token + i, lower, mode);
        }
    }
}
