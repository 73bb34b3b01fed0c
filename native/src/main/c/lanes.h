/*
 * W lanes of an instruction set, of which one or two make the 16 that the arithmetic is defined on. KERNEL(name) gives a
 * function its instruction set's name, since this is compiled once for each.
 */
#ifndef SKEIN_LANES_H
#define SKEIN_LANES_H

#include <immintrin.h>
#include <math.h>
#include <string.h>

#include "kernels.h"

#define INLINE static inline __attribute__((always_inline))
#define PASTE_(a, b) a##_##b
#define PASTE(a, b) PASTE_(a, b)
#define KERNEL(name) PASTE(name, SKEIN_ISA)

#ifdef __AVX512F__
#define W 16
typedef __m512 vf;
typedef __m512i vi;
INLINE vf f_zero(void) { return _mm512_setzero_ps(); }
INLINE vf f_all(float x) { return _mm512_set1_ps(x); }
INLINE vf f_load(const float *p) { return _mm512_loadu_ps(p); }
INLINE void f_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
INLINE vf f_load_some(const float *p, int n) {
    return _mm512_maskz_loadu_ps((__mmask16)(n >= 16 ? 0xFFFF : (1u << n) - 1), p);
}
INLINE vf f_half(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)p)); }
INLINE vf f_bfloat(const uint16_t *p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p)), 16));
}
INLINE vf f_add(vf a, vf b) { return _mm512_add_ps(a, b); }
INLINE vf f_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
INLINE vf f_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
INLINE vf f_div(vf a, vf b) { return _mm512_div_ps(a, b); }
INLINE vf f_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
/* Of a NaN in b: NaN. */
INLINE vf f_min(vf a, vf b) { return _mm512_min_ps(a, b); }
INLINE vf f_max(vf a, vf b) { return _mm512_max_ps(a, b); }
INLINE vf f_round(vf a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
/* b where x < y, else a. */
INLINE vf f_where_less(vf x, vf y, vf a, vf b) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), a, b);
}
/* Lanes from n on are replaced by b. */
INLINE vf f_first(vf a, int n, vf b) {
    return n >= 16 ? a : _mm512_mask_blend_ps((__mmask16)((1u << (n < 0 ? 0 : n)) - 1), b, a);
}
INLINE vi f_to_i(vf a) { return _mm512_cvtps_epi32(a); }
INLINE vf i_to_f(vi a) { return _mm512_cvtepi32_ps(a); }
INLINE vi f_bits(vf a) { return _mm512_castps_si512(a); }
INLINE vf i_bits(vi a) { return _mm512_castsi512_ps(a); }
INLINE vi i_zero(void) { return _mm512_setzero_si512(); }
INLINE vi i_all(int x) { return _mm512_set1_epi32(x); }
INLINE vi i_load(const void *p) { return _mm512_loadu_si512(p); }
INLINE void i_store(void *p, vi a) { _mm512_storeu_si512(p, a); }
INLINE vi i_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
INLINE vi i_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
INLINE vi i_and(vi a, vi b) { return _mm512_and_si512(a, b); }
INLINE vi i_max(vi a, vi b) { return _mm512_max_epi32(a, b); }
#define i_shift_left(a, n) _mm512_slli_epi32(a, n)
#define i_shift_right(a, n) _mm512_srai_epi32(a, n)
#define i_shift_right16(a, n) _mm512_srli_epi16(a, n)
INLINE int i_highest(vi a) { return _mm512_reduce_max_epi32(a); }
INLINE int i_sum(vi a) { return _mm512_reduce_add_epi32(a); }
INLINE void i_store_bytes(int8_t *p, vi a) { _mm_storeu_si128((void *)p, _mm512_cvtepi32_epi8(a)); }
INLINE unsigned f_equal(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ); }
INLINE unsigned f_at_least(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ); }
INLINE unsigned f_more(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
INLINE unsigned i_at_least(vi a, vi b) { return _mm512_cmpge_epi32_mask(a, b); }
/* a where at least b, else 0. */
INLINE vi i_keep_at_least(vi a, vi b) { return _mm512_maskz_mov_epi32(_mm512_cmpge_epi32_mask(a, b), a); }
INLINE vi i_keep(unsigned mask, vi a) { return _mm512_maskz_mov_epi32((__mmask16)mask, a); }
/* Sum of lanes that are not negative, in 64 bits. */
typedef struct { __m512i a, b; } vsum;
INLINE vsum s_zero(void) { return (vsum){_mm512_setzero_si512(), _mm512_setzero_si512()}; }
INLINE vsum s_add(vsum s, vi a) {
    s.a = _mm512_add_epi64(s.a, _mm512_and_si512(a, _mm512_set1_epi64(0xFFFFFFFF)));
    s.b = _mm512_add_epi64(s.b, _mm512_srli_epi64(a, 32));
    return s;
}
INLINE uint64_t s_total(vsum s) { return (uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(s.a, s.b)); }
#define ONES16 _mm512_set1_epi16(1)
INLINE vi i_madd16(vi a, vi b) { return _mm512_madd_epi16(a, b); }
INLINE vi i_maddu8(vi a, vi b) { return _mm512_maddubs_epi16(a, b); }
INLINE vi i_add16(vi a, vi b) { return _mm512_add_epi16(a, b); }
INLINE vi i_or(vi a, vi b) { return _mm512_or_si512(a, b); }
#define i_shift_left16(a, n) _mm512_slli_epi16(a, n)
/* In each 16 bytes, those of a table at the low 4 bits. */
INLINE vi i_look_up(const uint8_t *table, vi a) {
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const void *)table)), a);
}
INLINE vf f_bytes(const int8_t *p) { return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)p))); }
INLINE vi i_abs8(vi a) { return _mm512_abs_epi8(a); }
INLINE vi i_flip8(vi a) { return _mm512_xor_si512(a, _mm512_set1_epi8((char)0x80)); }
/* a with its sign turned where b's is negative. */
INLINE vi i_sign8(vi a, vi b) { return _mm512_mask_sub_epi8(a, _mm512_movepi8_mask(b), _mm512_setzero_si512(), a); }
#else
#define W 8
typedef __m256 vf;
typedef __m256i vi;
INLINE vf f_zero(void) { return _mm256_setzero_ps(); }
INLINE vf f_all(float x) { return _mm256_set1_ps(x); }
INLINE vf f_load(const float *p) { return _mm256_loadu_ps(p); }
INLINE void f_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
INLINE vi i_first(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vf f_load_some(const float *p, int n) { return _mm256_maskload_ps(p, i_first(n)); }
INLINE vf f_half(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const void *)p)); }
INLINE vf f_bfloat(const uint16_t *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const void *)p)), 16));
}
INLINE vf f_add(vf a, vf b) { return _mm256_add_ps(a, b); }
INLINE vf f_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
INLINE vf f_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
INLINE vf f_div(vf a, vf b) { return _mm256_div_ps(a, b); }
INLINE vf f_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
INLINE vf f_min(vf a, vf b) { return _mm256_min_ps(a, b); }
INLINE vf f_max(vf a, vf b) { return _mm256_max_ps(a, b); }
INLINE vf f_round(vf a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
INLINE vf f_where_less(vf x, vf y, vf a, vf b) { return _mm256_blendv_ps(a, b, _mm256_cmp_ps(x, y, _CMP_LT_OQ)); }
INLINE vf f_first(vf a, int n, vf b) { return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(i_first(n))); }
INLINE vi f_to_i(vf a) { return _mm256_cvtps_epi32(a); }
INLINE vf i_to_f(vi a) { return _mm256_cvtepi32_ps(a); }
INLINE vi f_bits(vf a) { return _mm256_castps_si256(a); }
INLINE vf i_bits(vi a) { return _mm256_castsi256_ps(a); }
INLINE vi i_zero(void) { return _mm256_setzero_si256(); }
INLINE vi i_all(int x) { return _mm256_set1_epi32(x); }
INLINE vi i_load(const void *p) { return _mm256_loadu_si256(p); }
INLINE void i_store(void *p, vi a) { _mm256_storeu_si256(p, a); }
INLINE vi i_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
INLINE vi i_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
INLINE vi i_and(vi a, vi b) { return _mm256_and_si256(a, b); }
INLINE vi i_max(vi a, vi b) { return _mm256_max_epi32(a, b); }
#define i_shift_left(a, n) _mm256_slli_epi32(a, n)
#define i_shift_right(a, n) _mm256_srai_epi32(a, n)
#define i_shift_right16(a, n) _mm256_srli_epi16(a, n)
INLINE int i_highest(vi a) {
    __m128i x = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    x = _mm_max_epi32(x, _mm_shuffle_epi32(x, 0x4E));
    x = _mm_max_epi32(x, _mm_shuffle_epi32(x, 0xB1));
    return _mm_cvtsi128_si32(x);
}
INLINE int i_sum(vi a) {
    __m128i x = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0x4E));
    x = _mm_add_epi32(x, _mm_shuffle_epi32(x, 0xB1));
    return _mm_cvtsi128_si32(x);
}
INLINE void i_store_bytes(int8_t *p, vi a) {
    __m128i x = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storel_epi64((void *)p, _mm_packs_epi16(x, x));
}
INLINE unsigned f_equal(vf a, vf b) { return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_EQ_OQ)); }
INLINE unsigned f_at_least(vf a, vf b) { return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ)); }
INLINE unsigned f_more(vf a, vf b) { return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)); }
INLINE unsigned i_at_least(vi a, vi b) {
    return 0xFF & ~(unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(b, a)));
}
INLINE vi i_keep_at_least(vi a, vi b) { return _mm256_andnot_si256(_mm256_cmpgt_epi32(b, a), a); }
INLINE vi i_keep(unsigned mask, vi a) {
    vi bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_and_si256(a, _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32((int)mask), bits), bits));
}
typedef struct { __m256i a, b; } vsum;
INLINE vsum s_zero(void) { return (vsum){_mm256_setzero_si256(), _mm256_setzero_si256()}; }
INLINE vsum s_add(vsum s, vi a) {
    s.a = _mm256_add_epi64(s.a, _mm256_and_si256(a, _mm256_set1_epi64x(0xFFFFFFFF)));
    s.b = _mm256_add_epi64(s.b, _mm256_srli_epi64(a, 32));
    return s;
}
INLINE uint64_t s_total(vsum s) {
    uint64_t x[4];
    _mm256_storeu_si256((void *)x, _mm256_add_epi64(s.a, s.b));
    return x[0] + x[1] + x[2] + x[3];
}
#define ONES16 _mm256_set1_epi16(1)
INLINE vi i_madd16(vi a, vi b) { return _mm256_madd_epi16(a, b); }
INLINE vi i_maddu8(vi a, vi b) { return _mm256_maddubs_epi16(a, b); }
INLINE vi i_add16(vi a, vi b) { return _mm256_add_epi16(a, b); }
INLINE vi i_or(vi a, vi b) { return _mm256_or_si256(a, b); }
#define i_shift_left16(a, n) _mm256_slli_epi16(a, n)
INLINE vi i_look_up(const uint8_t *table, vi a) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)table)), a);
}
INLINE vf f_bytes(const int8_t *p) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)p))); }
INLINE vi i_abs8(vi a) { return _mm256_abs_epi8(a); }
INLINE vi i_flip8(vi a) { return _mm256_xor_si256(a, _mm256_set1_epi8((char)0x80)); }
INLINE vi i_sign8(vi a, vi b) { return _mm256_sign_epi8(a, b); }
#endif

#define PARTS (LANES / W)
#define EVERY_LANE ((1u << W) - 1)

/* As Arithmetic.exp in Java, bit for bit. */
INLINE vf f_exp(vf x) {
    vf bounded = f_min(f_all(88.3f), x);
    vf n = f_round(f_mul(bounded, f_all(0x1.715476p0f)));
    vf r = f_fma(n, f_all(-0x1.62e4p-1f), bounded);
    r = f_fma(n, f_all(-0x1.7f7d1cp-20f), r);
    vf p = f_all(0x1.6a2430p-10f);
    p = f_fma(p, r, f_all(0x1.1239e4p-7f));
    p = f_fma(p, r, f_all(0x1.5558f2p-5f));
    p = f_fma(p, r, f_all(0x1.555492p-3f));
    p = f_fma(p, r, f_all(0x1.fffffcp-2f));
    p = f_fma(p, r, f_all(1.0f));
    p = f_fma(p, r, f_all(1.0f));
    vf power = i_bits(i_shift_left(i_add(f_to_i(n), i_all(127)), 23));
    return f_where_less(x, f_all(-87.3f), f_mul(p, power), f_zero());
}

INLINE vf f_silu(vf x) { return f_div(x, f_add(f_all(1.0f), f_exp(f_sub(f_zero(), x)))); }

/* As Arithmetic.gelu. */
INLINE vf f_gelu(vf x) {
    vf twice = f_mul(x, f_fma(f_all(0x1.2444f2p-4f), f_mul(x, x), f_all(0x1.988454p+0f)));
    return f_div(x, f_add(f_all(1.0f), f_exp(f_sub(f_zero(), twice))));
}

/* As Arithmetic.normal. */
INLINE vf f_normal(vf x) {
    vf size = f_max(x, f_sub(f_zero(), x));
    vf t = f_div(f_all(1.0f), f_fma(f_all(0x1.da6710p-3f), size, f_all(1.0f)));
    vf p = f_all(0x1.0fb844p-1f);
    p = f_fma(p, t, f_all(-0x1.7401c6p-1f));
    p = f_fma(p, t, f_all(0x1.6be1c6p-1f));
    p = f_fma(p, t, f_all(-0x1.23531cp-3f));
    p = f_fma(p, t, f_all(0x1.04f20cp-3f));
    vf tail = f_mul(f_mul(p, t), f_exp(f_mul(f_mul(x, x), f_all(-0.5f))));
    return f_where_less(x, f_zero(), f_sub(f_all(1.0f), tail), tail);
}

/* As Arithmetic.activate. */
INLINE vf f_activate(int activation, vf x) {
    switch (activation) {
        case SKEIN_SILU: return f_silu(x);
        case SKEIN_GELU_TANH: return f_gelu(x);
        default: return f_mul(x, f_normal(x));
    }
}

/* Lanes added up in halves, as Arithmetic.fold. */
INLINE float fold(float lanes[LANES]) {
    for (int half = LANES / 2; half > 0; half /= 2) {
        for (int j = 0; j < half; j++) lanes[j] += lanes[j + half];
    }
    return lanes[0];
}

/* One e to the x, with the bits of the vector's. */
INLINE float exp_one(float x) {
    float lanes[W];
    f_store(lanes, f_exp(f_all(x)));
    return lanes[0];
}

INLINE float half_to_float(uint16_t h) { return _cvtsh_ss(h); }
INLINE uint16_t float_to_half(float x) { return (uint16_t)_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT); }

#endif
