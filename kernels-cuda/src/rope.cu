// Rotary position embedding of a step's fused rows, and the way of keys and values into the paged cache.
#include "skein.cuh"

// A fused row is all query heads, all key heads, all value heads. Queries are turned in place; keys are turned and stored,
// values stored, both rounded to bf16, in the slot of their token; a slot of -1 stores nothing (a padding row).
//
// The cache of a layer: for each block and head, keys as tiles of 16 tokens x 16 elements along the head, values as tiles
// of 16 elements x 16 tokens, so that both are A operands as attention wants them.
//
// table: for each position the cosines of all pairs, then the sines. Grid: tokens; any block. headSize is a multiple of 16.
extern "C" __global__ void skein_rope_store(float* __restrict__ qkv, const int* positions,
                                            const int* slots, const float* __restrict__ table, int pairs,
                                            int interleaved, bf16* __restrict__ keys, bf16* __restrict__ values,
                                            int queryHeads, int kvHeads, int headSize) {
    dependency_wait();
    dependents_start();
    int token = blockIdx.x;
    float* row = qkv + (int64_t)token * (queryHeads + 2 * kvHeads) * headSize;
    const float* angle = table + (int64_t)positions[token] * 2 * pairs;
    int slot = slots[token];
    int64_t block = (int64_t)(slot / BLOCK_TOKENS) * kvHeads * headSize * BLOCK_TOKENS;
    int within = slot % BLOCK_TOKENS;
    int half = headSize / 2;
    int turned = (queryHeads + kvHeads) * half;
    // A thread takes the two elements that turn with each other; beyond the rotated ones, two neighbours.
    for (int i = threadIdx.x; i < turned; i += blockDim.x) {
        int head = i / half;
        int pair = i % half;
        bool turns = pair < pairs;
        int one = !turns || interleaved ? 2 * pair : pair;
        int other = !turns || interleaved ? one + 1 : one + pairs;
        float a = row[head * headSize + one];
        float b = row[head * headSize + other];
        float cosine = turns ? angle[pair] : 1.f;
        float sine = turns ? angle[pairs + pair] : 0.f;
        float x = __fmaf_rn(a, cosine, -__fmul_rn(b, sine));
        float y = __fmaf_rn(b, cosine, __fmul_rn(a, sine));
        if (head < queryHeads) {
            row[head * headSize + one] = x;
            row[head * headSize + other] = y;
        } else if (slot >= 0) {
            bf16* to = keys + block + (int64_t)(head - queryHeads) * headSize * BLOCK_TOKENS;
            to[(one / TILE) * TILE_ELEMENTS + tile_index(within, one % TILE)] = to_bf16(x);
            to[(other / TILE) * TILE_ELEMENTS + tile_index(within, other % TILE)] = to_bf16(y);
        }
    }
    if (slot < 0) {
        return;
    }
    const float* from = row + (queryHeads + kvHeads) * headSize;
    for (int i = threadIdx.x; i < kvHeads * headSize; i += blockDim.x) {
        int element = i % headSize;
        bf16* to = values + block + (int64_t)(i - element) * BLOCK_TOKENS;
        to[(element / TILE) * TILE_ELEMENTS + tile_index(element % TILE, within)] = to_bf16(from[i]);
    }
}
SKEIN_KERNEL(skein_rope_store)
