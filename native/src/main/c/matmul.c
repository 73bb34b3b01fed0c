/*
 * Products of packed weights with rows of activations. A tile is one group of 16 weight rows and up to TILE_ROWS rows of
 * activations: a block of weights is unpacked into registers once and used for all of them. The processor finds enough
 * independent work by itself: the integer sums of blocks do not depend on each other, only one fused multiply-add a block
 * does.
 */
#include "lanes.h"

#if W == 16
#define TILE_ROWS 12
#else
#define TILE_ROWS 4
#endif
#define AHEAD 2048 /* bytes of weights that are fetched before they are needed */
#define CHUNK_BYTES (384 * 1024) /* of weights that stay in the second-level cache while all rows pass by */

INLINE vi four(const int8_t *p) {
    int32_t x;
    memcpy(&x, p, 4);
    return i_all(x);
}

/* What a zero point adds to the integer sum of a part of a block. */
INLINE vi zero_sum(const int zero, const int parts, const int part, const quant_meta *meta) {
    if (zero == 0) return i_zero();
    int minus_8 = meta->minus_8_sum;
    if (parts == 2) minus_8 = part == 0 ? minus_8 - meta->minus_8_second : meta->minus_8_second;
    vi sum = i_all(minus_8);
    switch (zero) {
        case 4: return i_shift_right(sum, 1);
        case 16: return i_shift_left(sum, 1);
        case 32: return i_shift_left(sum, 2);
        case 128: return i_shift_left(sum, 4);
        default: return sum;
    }
}

#ifdef __AVX512VNNI__
#define TOGETHER 4 /* rows whose chains of dot products are interleaved, to hide their latency */

/* Exact sums over a part of a block of q (v less the zero point) for R rows; w is q as unsigned bytes. */
INLINE void dots(const int type, const int R, const int part, const vi w[8], const int8_t *v, const quant_meta *meta,
                 size_t blocks, vi *out) {
    const quant_traits traits = traits_of(type);
    const int fours = 8 / traits.parts;
    vi high[TOGETHER];
    vi low[TOGETHER];
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) {
        high[r] = i_zero();
        low[r] = zero_sum(traits.zero, traits.parts, part, meta + r * blocks);
    }
#pragma GCC unroll 8
    for (int c = part * fours; c < (part + 1) * fours; c++) {
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) {
            high[r] = _mm512_dpbusd_epi32(high[r], w[c], four(v + r * blocks * 64 + 4 * c));
            low[r] = _mm512_dpbusd_epi32(low[r], w[c], four(v + r * blocks * 64 + 32 + 4 * c));
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) out[r] = i_add(i_shift_left(high[r], 7), low[r]);
}
#else
/* Of up to 6 bits times signed bytes: so many fours' products fit 16 bits together. */
INLINE vi dot_small(const int bits, const int from, const int to, const vi w[8], const int8_t *v, vi zero) {
    const int together = bits <= 4 ? 8 : bits == 5 ? 4 : 2;
    vi high = i_zero();
    vi low = zero;
#pragma GCC unroll 8
    for (int c = from; c < to;) {
        vi high16 = i_maddu8(w[c], four(v + 4 * c));
        vi low16 = i_maddu8(w[c], four(v + 32 + 4 * c));
        const int end = c + together < to ? c + together : to;
#pragma GCC unroll 8
        for (c++; c < end; c++) {
            high16 = i_add16(high16, i_maddu8(w[c], four(v + 4 * c)));
            low16 = i_add16(low16, i_maddu8(w[c], four(v + 32 + 4 * c)));
        }
        high = i_add(high, i_madd16(high16, ONES16));
        low = i_add(low, i_madd16(low16, ONES16));
    }
    return i_add(i_shift_left(high, 7), low);
}

/* Bytes: 2 products of 128 x 127 fit 16 bits, with the sign moved to v. */
INLINE vi dot8(const vi w[8], const int8_t *v) {
    vi high = i_zero();
    vi low = i_zero();
#pragma GCC unroll 8
    for (int c = 0; c < 8; c++) {
        vi q = i_flip8(w[c]);
        vi size = i_abs8(q);
        high = i_add(high, i_madd16(i_maddu8(size, i_sign8(four(v + 4 * c), q)), ONES16));
        low = i_add(low, i_madd16(i_maddu8(size, i_sign8(four(v + 32 + 4 * c), q)), ONES16));
    }
    return i_add(i_shift_left(high, 7), low);
}

#define TOGETHER 1
INLINE void dots(const int type, const int R, const int part, const vi w[8], const int8_t *v, const quant_meta *meta,
                 size_t blocks, vi *out) {
    const quant_traits traits = traits_of(type);
    const int fours = 8 / traits.parts;
    for (int r = 0; r < R; r++) {
        const int8_t *x = v + r * blocks * 64;
        if (traits.zero == 128) {
            out[r] = dot8(w, x);
        } else {
            vi zero = zero_sum(traits.zero, traits.parts, part, meta + r * blocks);
            out[r] = dot_small(traits.low + traits.high, part * fours, (part + 1) * fours, w, x, zero);
        }
    }
}
#endif

/* The integers of a block as unsigned bytes. */
INLINE void unpack(const int type, const uint8_t *q, vi w[8]) {
    const quant_traits traits = traits_of(type);
    const uint8_t *high = q + 64 * traits.low;
    vi nibble = i_all(0x0F0F0F0F);
    vi pair = i_all(0x03030303);
#pragma GCC unroll 8
    for (int c = 0; c < 8; c++) {
        if (traits.low == 8) w[c] = i_load(q + 64 * c);
        if (traits.low == 4) w[c] = i_and(i_shift_right16(i_load(q + 64 * (c % 4)), c / 4 * 4), nibble);
        if (traits.low == 2) w[c] = i_and(i_shift_right16(i_load(q + 64 * (c % 2)), c / 2 * 2), pair);
        if (traits.high == 1) {
            vi bit = i_and(i_shift_right16(i_load(high), c), i_all(0x01010101));
            w[c] = i_or(w[c], i_shift_left16(bit, traits.low));
        }
        if (traits.high == 2) {
            vi bits = i_and(i_shift_right16(i_load(high + 64 * (c % 2)), c / 2 * 2), pair);
            w[c] = i_or(w[c], i_shift_left16(bits, traits.low));
        }
        if (traits.table) w[c] = i_look_up(NONLINEAR, w[c]);
    }
}

/* 16 scales, or minima, of a part of a block. */
INLINE vf scales_at(const int fine, const uint8_t *group, int64_t at, int64_t coarse, size_t b, size_t index, int lanes) {
    if (!fine) return f_half((const uint16_t *)(group + at) + index * LANES + lanes);
    vf by = f_half((const uint16_t *)(group + coarse) + b / 8 * LANES + lanes);
    return f_mul(by, f_bytes((const int8_t *)(group + at) + index * LANES + lanes));
}

/* What a minimum is multiplied by: the sum of a part of the activations. */
INLINE float part_sum(const int parts, const int part, const quant_meta *meta) {
    if (parts == 1) return meta->scaled_sum;
    int minus_8 = part == 0 ? meta->minus_8_sum - meta->minus_8_second : meta->minus_8_second;
    return meta->scale * (float)(minus_8 / -8);
}

/* out[r][16] = group times R quantised rows, whose strides follow from the number of blocks. */
INLINE void quant_tile(const int type, const int R, const skein_weight *weight, const uint8_t *group, const int8_t *v,
                       const quant_meta *meta, float *out) {
    const quant_traits traits = traits_of(type);
    const int block_bytes = 64 * (traits.low + traits.high);
    const size_t blocks = (size_t)weight->blocks;
    for (int half = 0; half < PARTS; half++) {
        vf sum[TILE_ROWS];
#pragma GCC unroll 12
        for (int r = 0; r < R; r++) sum[r] = f_zero();
        for (size_t b = 0; b < blocks; b++) {
            const uint8_t *q = group + b * block_bytes + half * 4 * W;
            for (int c = 0; c < block_bytes && half == 0; c += 64) _mm_prefetch((const char *)q + AHEAD + c, _MM_HINT_T0);
            vi w[8];
            unpack(type, q, w);
#pragma GCC unroll 2
            for (int part = 0; part < traits.parts; part++) {
                const size_t index = b * (size_t)traits.parts + (size_t)part;
                vf d = scales_at(traits.fine, group, weight->scales, weight->coarse_scales, b, index, half * W);
                vf m = f_zero();
                if (traits.minimum) {
                    m = scales_at(traits.fine, group, weight->minima, weight->coarse_minima, b, index, half * W);
                }
#pragma GCC unroll 12
                for (int r = 0; r < R; r += TOGETHER) {
                    const int few = R - r < TOGETHER ? R - r : TOGETHER;
                    const quant_meta *at = meta + (size_t)r * blocks + b;
                    vi dot[TOGETHER];
                    dots(type, few, part, w, v + ((size_t)r * blocks + b) * 64, at, blocks, dot);
#pragma GCC unroll 4
                    for (int i = 0; i < few; i++, at += blocks) {
                        sum[r + i] = f_fma(i_to_f(dot[i]), f_mul(d, f_all(at->scale)), sum[r + i]);
                        if (traits.minimum) sum[r + i] = f_fma(m, f_all(part_sum(traits.parts, part, at)), sum[r + i]);
                    }
                }
            }
        }
#pragma GCC unroll 12
        for (int r = 0; r < R; r++) f_store(out + r * LANES + half * W, sum[r]);
    }
}

#define QUANT_CASE(type, R)                               \
    case R:                                               \
        quant_tile(type, R, weight, group, v, meta, out); \
        break;
#if TILE_ROWS == 12
#define QUANT_CASES(type)                                                                                        \
    QUANT_CASE(type, 1) QUANT_CASE(type, 2) QUANT_CASE(type, 3) QUANT_CASE(type, 4) QUANT_CASE(type, 5)          \
    QUANT_CASE(type, 6) QUANT_CASE(type, 7) QUANT_CASE(type, 8) QUANT_CASE(type, 9) QUANT_CASE(type, 10)         \
    QUANT_CASE(type, 11) QUANT_CASE(type, 12)
#else
#define QUANT_CASES(type) QUANT_CASE(type, 1) QUANT_CASE(type, 2) QUANT_CASE(type, 3) QUANT_CASE(type, 4)
#endif

#define QUANT_TILE(type)                                                                                    \
    static void tile_##type(const skein_weight *weight, const uint8_t *group, const int8_t *v, const quant_meta *meta, \
                            int rows, float *out) {                                                         \
        switch (rows) { QUANT_CASES(SKEIN_##type) }                                                         \
    }
QUANT_TILE(Q8_0)
QUANT_TILE(Q4_0)
QUANT_TILE(Q4_1)
QUANT_TILE(Q5_0)
QUANT_TILE(Q5_1)
QUANT_TILE(Q2_K)
QUANT_TILE(Q3_K)
QUANT_TILE(Q4_K)
QUANT_TILE(Q5_K)
QUANT_TILE(Q6_K)
QUANT_TILE(IQ4_NL)

typedef void (*quant_tile_of)(const skein_weight *, const uint8_t *, const int8_t *, const quant_meta *, int, float *);

/* From SKEIN_Q8_0 on. */
static const quant_tile_of quant_tiles[] = {tile_Q8_0, tile_Q4_0, tile_Q4_1, tile_Q5_0, tile_Q5_1,  tile_Q2_K,
                                            tile_Q3_K, tile_Q4_K, tile_Q5_K, tile_Q6_K, tile_IQ4_NL};

INLINE vf float_weights(const int type, const uint8_t *p, int part) {
    if (type == SKEIN_F32) return f_load((const float *)p + part * W);
    if (type == SKEIN_F16) return f_half((const uint16_t *)p + part * W);
    return f_bfloat((const uint16_t *)p + part * W);
}

/* out[g][r][16] for G groups at once: each sum is one chain of fused multiply-adds, so there must be several. */
INLINE void float_tile(const int type, const int G, const int R, const skein_weight *weight, const uint8_t *group,
                       const float *x, float *out) {
    const int bytes = type == SKEIN_F32 ? 64 : 32;
    const int columns = weight->columns;
    for (int part = 0; part < PARTS; part++) {
        vf sum[4][TILE_ROWS];
#pragma GCC unroll 4
        for (int g = 0; g < G; g++) {
#pragma GCC unroll 12
            for (int r = 0; r < R; r++) sum[g][r] = f_zero();
        }
        for (int k = 0; k < columns; k++) {
            vf w[4];
#pragma GCC unroll 4
            for (int g = 0; g < G; g++) {
                w[g] = float_weights(type, group + g * weight->group_bytes + (size_t)k * bytes, part);
            }
#pragma GCC unroll 12
            for (int r = 0; r < R; r++) {
                vf value = f_all(x[(size_t)r * columns + k]);
#pragma GCC unroll 4
                for (int g = 0; g < G; g++) sum[g][r] = f_fma(w[g], value, sum[g][r]);
            }
        }
#pragma GCC unroll 4
        for (int g = 0; g < G; g++) {
#pragma GCC unroll 12
            for (int r = 0; r < R; r++) f_store(out + (g * R + r) * LANES + part * W, sum[g][r]);
        }
    }
}

#define FLOAT_CASE(type, G, R)                             \
    case (G) * 16 + (R):                                   \
        float_tile(type, G, R, weight, group, x, out);     \
        break;
#if TILE_ROWS == 12
#define MORE_FLOAT_CASES(type, G)                                                                                 \
    FLOAT_CASE(type, G, 5) FLOAT_CASE(type, G, 6) FLOAT_CASE(type, G, 7) FLOAT_CASE(type, G, 8)                   \
    FLOAT_CASE(type, G, 9) FLOAT_CASE(type, G, 10) FLOAT_CASE(type, G, 11) FLOAT_CASE(type, G, 12)
#else
#define MORE_FLOAT_CASES(type, G)
#endif
#define FLOAT_CASES(type, G) \
    FLOAT_CASE(type, G, 1) FLOAT_CASE(type, G, 2) FLOAT_CASE(type, G, 3) FLOAT_CASE(type, G, 4)
#define FLOAT_TILE(name, type)                                                                                    \
    static void name(const skein_weight *weight, const uint8_t *group, const float *x, int groups, int rows,      \
                     float *out) {                                                                                \
        switch (groups * 16 + rows) {                                                                             \
            FLOAT_CASES(type, 4) FLOAT_CASES(type, 2) FLOAT_CASES(type, 1)                                        \
            MORE_FLOAT_CASES(type, 2) MORE_FLOAT_CASES(type, 1)                                                   \
        }                                                                                                         \
    }
FLOAT_TILE(tile_f32, SKEIN_F32)
FLOAT_TILE(tile_f16, SKEIN_F16)
FLOAT_TILE(tile_bf16, SKEIN_BF16)

typedef struct {
    const skein_weight *weight;
    const float *x;
    quant_rows quantised;
    int kind;
    int activation;
    float *out;
} product;

static void quantised_tile(const product *p, const skein_weight *weight, int group, int row, int rows, float *out) {
    const uint8_t *data = weight->data + group * weight->group_bytes;
    const int8_t *v = p->quantised.v + (size_t)row * weight->blocks * 64;
    const quant_meta *meta = p->quantised.meta + (size_t)row * weight->blocks;
    quant_tiles[weight->type - SKEIN_Q8_0](weight, data, v, meta, rows, out);
}

static void floats_tile(const product *p, const skein_weight *weight, int group, int groups, int row, int rows, float *out) {
    const uint8_t *data = weight->data + group * weight->group_bytes;
    const float *x = p->x + (size_t)row * weight->columns;
    switch (weight->type) {
        case SKEIN_F32:
            tile_f32(weight, data, x, groups, rows, out);
            break;
        case SKEIN_F16:
            tile_f16(weight, data, x, groups, rows, out);
            break;
        default:
            tile_bf16(weight, data, x, groups, rows, out);
    }
}

/* Where 16 results of one row belong. */
INLINE float *place(const product *p, int unit, int row) {
    return p->out + (size_t)row * p->weight->stride + p->weight->first + unit * LANES;
}

/* Puts 16 results of one row where they belong; u is up's if gated. */
INLINE void put(const product *p, int unit, int row, const float *g, const float *u) {
    int from = unit * LANES;
    int count = p->weight->rows - from < LANES ? p->weight->rows - from : LANES;
    float *out = place(p, unit, row);
    float some[LANES];
    for (int part = 0; part < PARTS; part++) {
        vf value = f_load(g + part * W);
        if (p->kind == SKEIN_OP_GATED_MATMUL) {
            value = f_mul(f_activate(p->activation, value), f_load(u + part * W));
        }
        if (p->kind == SKEIN_OP_MATMUL_ADD) value = f_add(f_load_some(out + part * W, count - part * W), value);
        if (count == LANES) {
            f_store(out + part * W, value);
        } else {
            f_store(some + part * W, value);
        }
    }
    if (count < LANES) memcpy(out, some, 4 * (size_t)count);
}

/* Units are groups of the result: pairs of groups of a gated weight. */
static void quantised_units(const product *p, int from, int to, int row, int rows) {
    _Alignas(64) float g[TILE_ROWS * LANES];
    _Alignas(64) float u[TILE_ROWS * LANES];
    int gated = p->kind == SKEIN_OP_GATED_MATMUL;
    for (int unit = from; unit < to; unit++) {
        /* What is added to is read after the product, and lies far away: a line in each row. */
        for (int r = 0; p->kind == SKEIN_OP_MATMUL_ADD && r < rows; r++) {
            _mm_prefetch((const char *)place(p, unit, row + r), _MM_HINT_T0);
        }
        quantised_tile(p, p->weight, gated ? 2 * unit : unit, row, rows, g);
        if (gated) quantised_tile(p, p->weight, 2 * unit + 1, row, rows, u);
        for (int r = 0; r < rows; r++) put(p, unit, row + r, g + r * LANES, u + r * LANES);
    }
}

static void float_units(const product *p, int from, int to, int row, int rows) {
    _Alignas(64) float out[4 * TILE_ROWS * LANES];
    int gated = p->kind == SKEIN_OP_GATED_MATMUL;
    int last = gated ? 2 * to : to;
    for (int group = gated ? 2 * from : from; group < last;) {
        int groups = last - group >= 4 && rows * PARTS <= 4 ? 4 : last - group >= 2 ? 2 : 1;
        floats_tile(p, p->weight, group, groups, row, rows, out);
        for (int g = 0; g < groups; g += gated ? 2 : 1) {
            for (int r = 0; r < rows; r++) {
                const float *one = out + (g * rows + r) * LANES;
                put(p, gated ? (group + g) / 2 : group + g, row + r, one, one + rows * LANES);
            }
        }
        group += groups;
    }
}

static void tile_of_either(const product *p, const skein_weight *weight, int group, int row, int rows, float *out) {
    if (is_quantised(weight->type)) {
        quantised_tile(p, weight, group, row, rows, out);
    } else {
        floats_tile(p, weight, group, 1, row, rows, out);
    }
}

/* Gate and up of different types. */
static void apart_units(const product *p, int from, int to, int row, int rows) {
    _Alignas(64) float g[TILE_ROWS * LANES];
    _Alignas(64) float u[TILE_ROWS * LANES];
    for (int unit = from; unit < to; unit++) {
        tile_of_either(p, p->weight, unit, row, rows, g);
        tile_of_either(p, p->weight->up, unit, row, rows, u);
        for (int r = 0; r < rows; r++) put(p, unit, row + r, g + r * LANES, u + r * LANES);
    }
}

void KERNEL(matmul)(const skein_weight *weight, int kind, int activation, const float *x, quant_rows quantised, int rows,
                    int from, int to, float *out) {
    product p = {weight, x, quantised, kind, activation, out};
    int quantised_type = is_quantised(weight->type);
    int64_t unit_bytes = weight->group_bytes * (weight->gated ? 2 : 1) + (weight->up ? weight->up->group_bytes : 0);
    int chunk = (int)(CHUNK_BYTES / unit_bytes);
    if (chunk < 1) chunk = 1;
    for (int unit = from; unit < to; unit += chunk) {
        int end = unit + chunk < to ? unit + chunk : to;
        for (int row = 0; row < rows; row += TILE_ROWS) {
            int count = rows - row < TILE_ROWS ? rows - row : TILE_ROWS;
            if (weight->up) {
                apart_units(&p, unit, end, row, count);
            } else if (quantised_type) {
                quantised_units(&p, unit, end, row, count);
            } else {
                float_units(&p, unit, end, row, count);
            }
        }
    }
}
