// Root mean square norm of the residual stream (32-bit floats) into what products read (bf16).
#include "skein.cuh"

constexpr int HELD = 8;  // vectors of four that a thread keeps between summing and scaling

// Norms a row and hands each scaled element, four of them where rows are whole fours, to `four` and `one`. The row is read
// once if it has at most 32 columns a thread, else twice.
template <typename Four, typename One>
__device__ inline void norm_row(const float* row, const float* weight, float epsilon, int columns, Four four, One one) {
    __shared__ float scratch[WARP];
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
            four(at, make_float4(v.x * scale * w.x, v.y * scale * w.y, v.z * scale * w.z, v.w * scale * w.w));
        }
    }
    for (int at = rest + threadIdx.x; at < columns; at += threads) {
        one(at, row[at] * scale * weight[at]);
    }
}

// out[r] = x[r] / sqrt(mean(x[r]^2) + epsilon) * weight. Grid: rows; block: 64 to 1024 threads, in whole warps.
extern "C" __global__ void __launch_bounds__(1024, 1)
    skein_rms_norm(const float* x, const float* __restrict__ weight, float epsilon, bf16* __restrict__ out,
                   int columns) {
    // A product follows. From so many rows on it brings weights while this waits; that of fewer only gets in the way then.
    bool early = gridDim.x > 8;
    if (early) {
        dependents_start();
    }
    dependency_wait();
    if (!early) {
        dependents_start();
    }
    bf16* to = out + (int64_t)blockIdx.x * columns;
    norm_row(
        x + (int64_t)blockIdx.x * columns, weight, epsilon, columns,
        [&](int at, float4 v) { ((uint2*)to)[at] = make_uint2(pack(v.x, v.y), pack(v.z, v.w)); },
        [&](int at, float v) { to[at] = to_bf16(v); });
}
SKEIN_KERNEL(skein_rms_norm)

// inOut[r] += what skein_rms_norm gives, in 32-bit floats.
extern "C" __global__ void __launch_bounds__(1024, 1)
    skein_rms_norm_add(const float* x, const float* __restrict__ weight, float epsilon, float* inOut, int columns) {
    dependency_wait();
    dependents_start();
    float* to = inOut + (int64_t)blockIdx.x * columns;
    norm_row(
        x + (int64_t)blockIdx.x * columns, weight, epsilon, columns,
        [&](int at, float4 v) {
            float4 was = ((float4*)to)[at];
            ((float4*)to)[at] = make_float4(was.x + v.x, was.y + v.y, was.z + v.z, was.w + v.w);
        },
        [&](int at, float v) { to[at] += v; });
}
SKEIN_KERNEL(skein_rms_norm_add)

// Each query head and each key head of fused rows by itself, in place. Grid: rows; block: whole warps, a head each.
extern "C" __global__ void skein_head_norm(float* qkv, const float* __restrict__ queryNorm,
                                           const float* __restrict__ keyNorm, float epsilon, int queryHeads, int kvHeads,
                                           int headSize) {
    dependency_wait();
    dependents_start();
    int lane = threadIdx.x % WARP;
    float* row = qkv + (int64_t)blockIdx.x * (queryHeads + 2 * kvHeads) * headSize;
    for (int head = threadIdx.x / WARP; head < queryHeads + kvHeads; head += blockDim.x / WARP) {
        float* at = row + head * headSize;
        const float* weight = head < queryHeads ? queryNorm : keyNorm;
        float sum = 0.f;
        for (int i = lane; i < headSize; i += WARP) {
            sum += at[i] * at[i];
        }
        float scale = 1.f / sqrtf(warp_sum(sum) / headSize + epsilon);
        for (int i = lane; i < headSize; i += WARP) {
            at[i] = at[i] * scale * weight[i];
        }
    }
}
SKEIN_KERNEL(skein_head_norm)
