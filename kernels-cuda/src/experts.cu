// A mixture of experts. Tokens' choices are slots: choice i of token t is slot t * chosen + i. Slots are brought together by
// expert, so that an expert's weights are read once for all of them, and only if it was chosen.
#include "multiply.cuh"

namespace {

constexpr int LIST_THREADS = 1024;

__device__ inline int64_t slot_row(const int* list, int i) { return list[i]; }

}  // namespace

// Chooses each token's experts: those of the highest logits, of equal ones the lower; weights are the softmax of the logits,
// over the chosen ones if normalised. Grid: tokens; block: 32. chosen <= count.
extern "C" __global__ void skein_route(const float* logits, int count, int chosen, int normalised,
                                       int* __restrict__ expert, float* __restrict__ weight) {
    dependency_wait();
    dependents_start();
    const float* from = logits + (int64_t)blockIdx.x * count;
    int lane = threadIdx.x;
    float last = INFINITY;
    int lastId = -1;
    float top = 0.f;
    float sum = 0.f;
    for (int i = 0; i < chosen; i++) {
        float best = -INFINITY;
        int id = 0x7fffffff;
        for (int e = lane; e < count; e += WARP) {
            float x = from[e];
            bool left = x < last || (x == last && e > lastId);
            if (left && (x > best || (x == best && e < id))) {
                best = x;
                id = e;
            }
        }
#pragma unroll
        for (int step = WARP / 2; step > 0; step >>= 1) {
            float otherBest = __shfl_xor_sync(FULL, best, step);
            int other = __shfl_xor_sync(FULL, id, step);
            bool better = otherBest > best || (otherBest == best && other < id);
            best = better ? otherBest : best;
            id = better ? other : id;
        }
        top = i == 0 ? best : top;
        last = best;
        lastId = id;
        float e = exp_exact(__fadd_rn(best, -top));
        sum = __fadd_rn(sum, e);
        if (lane == 0) {
            // NaN among the logits leaves nothing to choose; sampling will say so.
            expert[(int64_t)blockIdx.x * chosen + i] = id < count ? id : 0;
            weight[(int64_t)blockIdx.x * chosen + i] = e;
        }
    }
    if (!normalised) {
        float all = 0.f;
        for (int e = lane; e < count; e += WARP) {
            all = __fadd_rn(all, exp_exact(__fadd_rn(from[e], -top)));
        }
        sum = warp_sum(all);
    }
    __syncwarp();
    if (lane == 0) {
        for (int i = 0; i < chosen; i++) {
            weight[(int64_t)blockIdx.x * chosen + i] = __fdiv_rn(weight[(int64_t)blockIdx.x * chosen + i], sum);
        }
    }
}
SKEIN_KERNEL(skein_route)

// Lists the slots by expert, in rising order: those of expert e are list[start[e]] to list[start[e + 1] - 1].
// Grid: 1; block: 1024; shared memory: 4 * (count + 1) bytes.
extern "C" __global__ void __launch_bounds__(1024, 1)
    skein_list(const int* expert, int slots, int count, int* __restrict__ start, int* __restrict__ list) {
    SKEIN_SHARED(int, first);
    dependency_wait();
    dependents_start();
    int warp = threadIdx.x / WARP;
    int lane = threadIdx.x % WARP;
    for (int e = warp; e < count; e += LIST_THREADS / WARP) {
        int own = 0;
        for (int i = 0; i < slots; i += WARP) {
            own += __popc(__ballot_sync(FULL, i + lane < slots && expert[i + lane] == e));
        }
        if (lane == 0) {
            first[e + 1] = own;
        }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        first[0] = 0;
        for (int e = 0; e < count; e++) {
            first[e + 1] += first[e];
        }
    }
    __syncthreads();
    for (int e = threadIdx.x; e <= count; e += LIST_THREADS) {
        start[e] = first[e];
    }
    for (int e = warp; e < count; e += LIST_THREADS / WARP) {
        int at = first[e];
        for (int i = 0; i < slots; i += WARP) {
            uint32_t own = __ballot_sync(FULL, i + lane < slots && expert[i + lane] == e);
            if (own >> lane & 1) {
                list[at + __popc(own & ((1u << lane) - 1))] = i + lane;
            }
            at += __popc(own);
        }
    }
}
SKEIN_KERNEL(skein_list)

// Brings rows of x together by expert: row i of out is row list[i] / share of x. A row has columns / 8 pieces of 16 bytes.
// Grid: slots; any block.
extern "C" __global__ void skein_bring(const uint4* x, const int* list, int share, uint4* out, int pieces) {
    dependency_wait();
    dependents_start();
    const uint4* from = x + (int64_t)(list[blockIdx.x] / share) * pieces;
    uint4* to = out + (int64_t)blockIdx.x * pieces;
    for (int i = threadIdx.x; i < pieces; i += blockDim.x) {
        to[i] = from[i];
    }
}
SKEIN_KERNEL(skein_bring)

// As skein_matmul_*, of each expert with its slots: row `slot` of out is W times row `slot / share` of x.
// Grid: (tokens / TOKENS, rowTiles / ROW_TILES, experts), rounded up; block: 256.
#define SKEIN_EXPERTS(NAME, ROW_TILES, TOKENS)                                                                       \
    extern "C" __global__ void __launch_bounds__(256)                                                                \
        NAME(const uint4* __restrict__ weight, const bf16* x, void* out, int rows, int rowTiles, int kTiles,         \
             const int* start, const int* list, int share, int mode) {                                               \
        dependency_wait();                                                                                           \
        dependents_start();                                                                                          \
        const int* own = list + start[blockIdx.z];                                                                   \
        int tokens = start[blockIdx.z + 1] - start[blockIdx.z];                                                      \
        if ((int)blockIdx.x * TOKENS >= tokens) {                                                                    \
            return;                                                                                                  \
        }                                                                                                            \
        Loads<ROW_TILES> loads(weight + (int64_t)blockIdx.z * rowTiles * kTiles * WARP, rowTiles, kTiles);           \
        multiply<ROW_TILES, TOKENS / 8>(                                                                             \
            loads, x, out, rows, rowTiles, kTiles, tokens, mode, [=](int i) { return slot_row(own, i) / share; },    \
            [=](int i) { return slot_row(own, i); });                                                                \
    }                                                                                                                \
    SKEIN_KERNEL(NAME)

SKEIN_EXPERTS(skein_experts_8, 1, 8)
SKEIN_EXPERTS(skein_experts_64, 2, 64)

// inOut[t] += sum of weight[slot] * products[slot] over the token's slots in order. Grid: tokens; any block.
extern "C" __global__ void skein_mix(const float* products, const float* weight, int chosen, float* inOut, int columns) {
    dependency_wait();
    dependents_start();
    int64_t slot = (int64_t)blockIdx.x * chosen;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
        float mixed = 0.f;
        for (int i = 0; i < chosen; i++) {
            mixed = __fmaf_rn(weight[slot + i], products[(slot + i) * columns + c], mixed);
        }
        float* to = inOut + (int64_t)blockIdx.x * columns + c;
        *to = __fadd_rn(*to, mixed);
    }
}
SKEIN_KERNEL(skein_mix)
