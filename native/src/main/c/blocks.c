/*
 * Blocks as they lie in files. Layouts are those of the block structures of ggml (ggml-org/ggml, src/ggml-common.h); in a
 * block of 256 weights, `part` below is one of its 8 parts of 32.
 */
#include "blocks.h"

#include <string.h>

const uint8_t NONLINEAR[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};

static void nibbles(const uint8_t *p, uint8_t *q) {
    for (int i = 0; i < 16; i++) {
        q[i] = p[i] & 15;
        q[i + 16] = p[i] >> 4;
    }
}

/* Eight bits become the bit 4 of eight bytes: each byte of a copy keeps its own bit, which a carry then moves to the top. */
static void fifth_bits(const uint8_t *p, uint8_t *q) {
    for (int i = 0; i < QUANT_BLOCK / 8; i++) {
        uint64_t own = p[i] * 0x0101010101010101u & 0x8040201008040201u;
        uint64_t bytes;
        memcpy(&bytes, q + 8 * i, 8);
        bytes |= (own + 0x7F7F7F7F7F7F7F7Fu) >> 3 & 0x1010101010101010u;
        memcpy(q + 8 * i, &bytes, 8);
    }
}

/* Scale and minimum, 6 bits each, of a part of Q4_K and Q5_K. */
static void six_bits(const uint8_t *p, int part, file_block *out) {
    int scale = part < 4 ? p[part] & 63 : (p[part + 4] & 15) | p[part - 4] >> 6 << 4;
    int minimum = part < 4 ? p[part + 4] & 63 : p[part + 4] >> 4 | p[part] >> 6 << 4;
    out->scales[0] = (int8_t)scale;
    out->minima[0] = (int8_t)-minimum;
}

static void read_q2_k(const uint8_t *p, int part, file_block *out) {
    const uint8_t *quants = p + 16 + part / 4 * 32;
    for (int i = 0; i < 32; i++) out->q[i] = quants[i] >> part % 4 * 2 & 3;
    for (int half = 0; half < 2; half++) {
        out->scales[half] = p[2 * part + half] & 15;
        out->minima[half] = (int8_t)-(p[2 * part + half] >> 4);
    }
    out->scale = bits16(p + 80);
    out->minimum = bits16(p + 82);
}

static void read_q3_k(const uint8_t *p, int part, file_block *out) {
    const uint8_t *quants = p + 32 + part / 4 * 32;
    for (int i = 0; i < 32; i++) out->q[i] = (uint8_t)((quants[i] >> part % 4 * 2 & 3) | (p[i] >> part & 1) << 2);
    const uint8_t *scales = p + 96;
    for (int half = 0; half < 2; half++) {
        int at = 2 * part + half;
        int low = at < 8 ? scales[at] & 15 : scales[at - 8] >> 4;
        int high = scales[8 + at % 4] >> at / 4 * 2 & 3;
        out->scales[half] = (int8_t)((low | high << 4) - 32);
    }
    out->scale = bits16(p + 108);
}

static void read_q4_k(const uint8_t *p, int part, file_block *out) {
    const uint8_t *quants = p + 16 + part / 2 * 32;
    for (int i = 0; i < 32; i++) out->q[i] = quants[i] >> part % 2 * 4 & 15;
    six_bits(p + 4, part, out);
    out->scale = bits16(p);
    out->minimum = bits16(p + 2);
}

static void read_q5_k(const uint8_t *p, int part, file_block *out) {
    const uint8_t *quants = p + 48 + part / 2 * 32;
    const uint8_t *fifth = p + 16;
    for (int i = 0; i < 32; i++) out->q[i] = (uint8_t)((quants[i] >> part % 2 * 4 & 15) | (fifth[i] >> part & 1) << 4);
    six_bits(p + 4, part, out);
    out->scale = bits16(p);
    out->minimum = bits16(p + 2);
}

static void read_q6_k(const uint8_t *p, int part, file_block *out) {
    int quarter = part % 4;
    const uint8_t *low = p + part / 4 * 64 + quarter % 2 * 32;
    const uint8_t *high = p + 128 + part / 4 * 32;
    for (int i = 0; i < 32; i++) {
        out->q[i] = (uint8_t)((low[i] >> quarter / 2 * 4 & 15) | (high[i] >> quarter * 2 & 3) << 4);
    }
    memcpy(out->scales, p + 192 + 2 * part, 2);
    out->scale = bits16(p + 208);
}

static void read_small(int type, const uint8_t *p, file_block *out) {
    out->scale = bits16(p);
    p += 2;
    if (traits_of(type).minimum) {
        out->minimum = bits16(p);
        p += 2;
    }
    if (type == SKEIN_Q8_0) {
        for (int i = 0; i < QUANT_BLOCK; i++) out->q[i] = p[i] ^ 0x80;
        return;
    }
    int fifth = traits_of(type).high;
    nibbles(fifth ? p + 4 : p, out->q);
    if (fifth) fifth_bits(p, out->q);
}

void read_block(int type, const uint8_t *row, int b, file_block *out) {
    quant_traits traits = traits_of(type);
    *out = (file_block){.scales = {1, 1}, .minima = {1, 1}};
    if (!traits.fine) {
        read_small(type, row + (int64_t)b * traits.bytes, out);
        return;
    }
    const uint8_t *p = row + (int64_t)(b / 8) * traits.bytes;
    switch (type) {
        case SKEIN_Q2_K: read_q2_k(p, b % 8, out); break;
        case SKEIN_Q3_K: read_q3_k(p, b % 8, out); break;
        case SKEIN_Q4_K: read_q4_k(p, b % 8, out); break;
        case SKEIN_Q5_K: read_q5_k(p, b % 8, out); break;
        default: read_q6_k(p, b % 8, out);
    }
}
