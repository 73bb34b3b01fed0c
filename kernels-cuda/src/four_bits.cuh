// Weights of four bits as A operands: see quantised.cu for how they lie.
#pragma once
#include "skein.cuh"

constexpr int GROUP_TILES = 4;
constexpr int GROUP_VECTORS = WARP + 8;  // of 16 bytes: 640

__device__ inline float half_to_float(uint32_t h) {
#ifdef SKEIN_EMULATED
    uint32_t sign = (h & 0x8000u) << 16;
    float magnitude = __fmul_rn(__uint_as_float((h & 0x7fffu) << 13), 0x1p112f);
    return __uint_as_float(__float_as_uint(magnitude) | sign);
#else
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"((uint16_t)h));
    return x;
#endif
}

// The bits of a word under a mask, among those of `with`.
__device__ inline uint32_t masked(uint32_t word, uint32_t mask, uint32_t with) {
#ifdef SKEIN_EMULATED
    return (word & mask) | with;
#else
    uint32_t bits;
    asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(bits) : "r"(word), "r"(mask), "r"(with));
    return bits;
#endif
}

// d q + m for the nibble q at `place`; d is less by 16 to the place, so that the nibble need not be shifted: both products are exact.
template <int PLACE>
__device__ inline float scaled(uint32_t word, float d, float m) {
    constexpr uint32_t MASK = 15u << (4 * PLACE);
    // 2^23 + q, less 2^23
    return __fmaf_rn(d, __fadd_rn(__uint_as_float(masked(word, MASK, 0x4b000000u)), -0x1p23f), m);
}

// The scales of 32 columns of two rows: d of row g for places 0 and 2, of row g + 8 for places 1 and 3; m of both.
struct Scales {
    float d[4];
    float m[2];

    __device__ Scales(uint32_t upper, uint32_t lower) {
        d[0] = half_to_float(upper & 0xffffu);
        d[2] = __fmul_rn(d[0], 0x1p-8f);
        float other = half_to_float(lower & 0xffffu);
        d[1] = __fmul_rn(other, 0x1p-4f);
        d[3] = __fmul_rn(other, 0x1p-12f);
        m[0] = half_to_float(upper >> 16);
        m[1] = half_to_float(lower >> 16);
    }
};

// Two elements of a word that lie beside each other in their row.
template <int PLACE>
__device__ inline uint32_t expand_pair(uint32_t word, uint32_t high, const Scales& s) {
    return pack(scaled<PLACE>(word, s.d[PLACE], s.m[PLACE % 2]), scaled<PLACE>(high, s.d[PLACE], s.m[PLACE % 2]));
}

// Eight nibbles as the A operand of a tile.
__device__ inline uint4 expand(uint32_t word, const Scales& s) {
    uint32_t high = word >> 16;
    return make_uint4(expand_pair<0>(word, high, s), expand_pair<1>(word, high, s), expand_pair<2>(word, high, s),
                      expand_pair<3>(word, high, s));
}

// The same scales as pairs of bf16, alike: with these d q + m costs half as many instructions, and an element is off by up to
// 2^-9 of d q and of m besides its own rounding. Where m is -8 d, as in Q4_0, that is 2^-8 of the element.
struct RoundedScales {
    uint32_t d[2];
    uint32_t m[2];

    __device__ RoundedScales(uint32_t upper, uint32_t lower) {
        d[0] = twice(upper & 0xffffu);
        d[1] = twice(lower & 0xffffu);
        m[0] = twice(upper >> 16);
        m[1] = twice(lower >> 16);
    }

    __device__ static uint32_t twice(uint32_t half) {
        float x = half_to_float(half);
        return pack(x, x);
    }
};

template <int PLACE>
__device__ inline uint32_t expand_pair(uint32_t word, const RoundedScales& s) {
    // 128 + q, less 128
    uint32_t q = multiply_add(masked(word >> 4 * PLACE, 0x000f000fu, 0x43004300u), 0x3f803f80u, 0xc300c300u);
    return multiply_add(q, s.d[PLACE % 2], s.m[PLACE % 2]);
}

__device__ inline uint4 expand(uint32_t word, const RoundedScales& s) {
    return make_uint4(expand_pair<0>(word, s), expand_pair<1>(word, s), expand_pair<2>(word, s), expand_pair<3>(word, s));
}

// A group as four A operands.
template <typename S = Scales>
__device__ inline void expand(uint4 words, uint4 scales, uint4 (&tiles)[GROUP_TILES]) {
    S left(scales.x, scales.y);
    S right(scales.z, scales.w);
    tiles[0] = expand(words.x, left);
    tiles[1] = expand(words.y, left);
    tiles[2] = expand(words.z, right);
    tiles[3] = expand(words.w, right);
}
