// Rows of a table, and rows of activations: one block a row.
#include "skein.cuh"

// out[t] = scale * table[ids[t]]. Grid: tokens; any block. The table is row after row of bf16; ids are checked by the host. An
// id of -1 - o is what output o of the step before became: the first of the `stride` numbers of its result. One that was
// not sampled may be anything, and stands for row 0 if it is none of the table's.
extern "C" __global__ void skein_embed(const bf16* __restrict__ table, const int* ids, float scale, float* __restrict__ out, int columns,
                                       int rows, const int* results, int stride) {
    dependency_wait();
    dependents_start();
    int id = ids[blockIdx.x];
    if (id < 0) {
        id = results[(int64_t)(-1 - id) * stride];
        id = id >= 0 && id < rows ? id : 0;
    }
    const bf16* row = table + (int64_t)id * columns;
    float* to = out + (int64_t)blockIdx.x * columns;
    int vectors = columns % 8 == 0 ? columns / 8 : 0;  // rows stay 16-byte aligned only then
    for (int i = threadIdx.x; i < vectors; i += blockDim.x) {
        uint4 v = ((const uint4*)row)[i];
        uint32_t pairs[4] = {v.x, v.y, v.z, v.w};
#pragma unroll
        for (int half = 0; half < 2; half++) {
            uint32_t a = pairs[2 * half], b = pairs[2 * half + 1];
            ((float4*)to)[2 * i + half] =
                make_float4(scale * __uint_as_float(a << 16), scale * __uint_as_float(a & 0xffff0000u),
                            scale * __uint_as_float(b << 16), scale * __uint_as_float(b & 0xffff0000u));
        }
    }
    for (int i = vectors * 8 + threadIdx.x; i < columns; i += blockDim.x) {
        to[i] = scale * to_float(row[i]);
    }
}
SKEIN_KERNEL(skein_embed)

// out[o] = x[outputs[o * slots]]: the first slot of an output is its row. Grid: outputs; any block.
extern "C" __global__ void skein_gather(const float* x, const int* outputs, int slots,
                                        float* __restrict__ out, int columns) {
    dependency_wait();
    dependents_start();
    const float* row = x + (int64_t)outputs[(int64_t)blockIdx.x * slots] * columns;
    float* to = out + (int64_t)blockIdx.x * columns;
    for (int i = threadIdx.x; i < columns; i += blockDim.x) {
        to[i] = row[i];
    }
}
SKEIN_KERNEL(skein_gather)

// inOut[r] += vector. Grid: rows; any block.
extern "C" __global__ void skein_bias(float* inOut, const float* __restrict__ vector, int columns) {
    dependency_wait();
    dependents_start();
    for (int i = threadIdx.x; i < columns; i += blockDim.x) {
        inOut[(int64_t)blockIdx.x * columns + i] += vector[i];
    }
}
SKEIN_KERNEL(skein_bias)

// out[r] = x[r] rounded: what products read. Grid: rows; any block.
extern "C" __global__ void skein_round(const float* x, bf16* __restrict__ out, int columns) {
    dependency_wait();
    dependents_start();
    for (int i = threadIdx.x; i < columns; i += blockDim.x) {
        out[(int64_t)blockIdx.x * columns + i] = to_bf16(x[(int64_t)blockIdx.x * columns + i]);
    }
}
SKEIN_KERNEL(skein_round)
