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

// d q + m for the nibble q at `place`; d is less by 16 to the place, so that the nibble need not be shifted: both products are exact.
template <int PLACE>
__device__ inline float scaled(uint32_t word, float d, float m) {
    constexpr uint32_t MASK = 15u << (4 * PLACE);
    uint32_t bits;
#ifdef SKEIN_EMULATED
    bits = (word & MASK) | 0x4b000000u;
#else
    asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(bits) : "r"(word), "r"(MASK), "r"(0x4b000000u));
#endif
    // 2^23 + q, less 2^23
    return __fmaf_rn(d, __fadd_rn(__uint_as_float(bits), -0x1p23f), m);
}

// The scales of 32 columns of two rows: d of row g for places 0 and 1, of row g + 8 for places 2 and 3; m of both.
struct Scales {
    float d[4];
    float m[2];

    __device__ Scales(uint32_t upper, uint32_t lower) {
        d[0] = half_to_float(upper & 0xffffu);
        d[1] = __fmul_rn(d[0], 0x1p-4f);
        float other = half_to_float(lower & 0xffffu);
        d[2] = __fmul_rn(other, 0x1p-8f);
        d[3] = __fmul_rn(other, 0x1p-12f);
        m[0] = half_to_float(upper >> 16);
        m[1] = half_to_float(lower >> 16);
    }
};

// Eight nibbles as the A operand of a tile.
__device__ inline uint4 expand(uint32_t word, const Scales& s) {
    uint32_t high = word >> 16;
    return make_uint4(pack(scaled<0>(word, s.d[0], s.m[0]), scaled<1>(word, s.d[1], s.m[0])),
                      pack(scaled<2>(word, s.d[2], s.m[1]), scaled<3>(word, s.d[3], s.m[1])),
                      pack(scaled<0>(high, s.d[0], s.m[0]), scaled<1>(high, s.d[1], s.m[0])),
                      pack(scaled<2>(high, s.d[2], s.m[1]), scaled<3>(high, s.d[3], s.m[1])));
}

// A group as four A operands.
__device__ inline void expand(uint4 words, uint4 scales, uint4 (&tiles)[GROUP_TILES]) {
    Scales left(scales.x, scales.y);
    Scales right(scales.z, scales.w);
    tiles[0] = expand(words.x, left);
    tiles[1] = expand(words.y, left);
    tiles[2] = expand(words.z, right);
    tiles[3] = expand(words.w, right);
}
