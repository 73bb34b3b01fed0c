// Root mean square norm of the residual stream (32-bit floats) into what products read (bf16).
#include "skein.cuh"

constexpr int HELD = 8;  // vectors of four that a thread keeps between summing and scaling

// out[r] = x[r] / sqrt(mean(x[r]^2) + epsilon) * weight. Grid: rows; block: 64 to 1024 threads, in whole warps. The row is
// read once if it has at most 32 columns a thread, else twice.
extern "C" __global__ void __launch_bounds__(1024)
    skein_rms_norm(const float* x, const float* __restrict__ weight, float epsilon,
                   bf16* __restrict__ out, int columns) {
    __shared__ float scratch[WARP];
    dependency_wait();
    dependents_start();
    const float* row = x + (int64_t)blockIdx.x * columns;
    bf16* to = out + (int64_t)blockIdx.x * columns;
    int threads = blockDim.x;
    int vectors = columns % 4 == 0 ? columns / 4 : 0;
    float4 held[HELD];
    float sum = 0.f;
#pragma unroll
    for (int i = 0; i < HELD; i++) {
        int at = i * threads + threadIdx.x;
        held[i] = at < vectors ? ((const float4*)row)[at] : make_float4(0.f, 0.f, 0.f, 0.f);
    }
#pragma unroll
    for (int i = 0; i < HELD; i++) {
        float4 v = held[i];
        sum += (v.x * v.x + v.y * v.y) + (v.z * v.z + v.w * v.w);
    }
    int rest = vectors == 0 ? 0 : min(columns, HELD * threads * 4);
    for (int at = rest + threadIdx.x; at < columns; at += threads) {
        sum += row[at] * row[at];
    }
    float scale = 1.f / sqrtf(block_sum(sum, scratch) / columns + epsilon);
#pragma unroll
    for (int i = 0; i < HELD; i++) {
        int at = i * threads + threadIdx.x;
        if (at < vectors) {
            float4 v = held[i];
            float4 w = ((const float4*)weight)[at];
            ((uint2*)to)[at] = make_uint2(pack(v.x * scale * w.x, v.y * scale * w.y),
                                          pack(v.z * scale * w.z, v.w * scale * w.w));
        }
    }
    for (int at = rest + threadIdx.x; at < columns; at += threads) {
        to[at] = to_bf16(row[at] * scale * weight[at]);
    }
}
SKEIN_KERNEL(skein_rms_norm)
