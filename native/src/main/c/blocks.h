/* Quantised types: what a block of each is in a file, and of what its packed form is made. Not part of the interface. */
#ifndef SKEIN_BLOCKS_H
#define SKEIN_BLOCKS_H

#include <stdint.h>
#include <string.h>

#include "skein_cpu.h"

#define QUANT_BLOCK 32 /* weights and activations that are multiplied together; half of it may share a scale */
#define LAST_TYPE SKEIN_IQ4_NL

/*
 * A weight is scale * (q - zero) + minimum, where q is an integer of low + high bits or, with a table, what stands there
 * at q. Without `fine` scale and minimum are 16-bit floats of a block of 32. With it, they are such floats of a block of
 * 256 times a signed byte of each part: `parts` of 32 have their own.
 */
typedef struct {
    int elements; /* of a block in a file */
    int bytes;
    int low;
    int high;
    int parts;
    int minimum;
    int fine;
    int zero;
    int table;
} quant_traits;

static inline __attribute__((always_inline)) quant_traits traits_of(int type) {
    switch (type) {
        case SKEIN_Q8_0: return (quant_traits){32, 34, 8, 0, 1, 0, 0, 128, 0};
        case SKEIN_Q4_0: return (quant_traits){32, 18, 4, 0, 1, 0, 0, 8, 0};
        case SKEIN_Q4_1: return (quant_traits){32, 20, 4, 0, 1, 1, 0, 0, 0};
        case SKEIN_Q5_0: return (quant_traits){32, 22, 4, 1, 1, 0, 0, 16, 0};
        case SKEIN_Q5_1: return (quant_traits){32, 24, 4, 1, 1, 1, 0, 0, 0};
        case SKEIN_Q2_K: return (quant_traits){256, 84, 2, 0, 2, 1, 1, 0, 0};
        case SKEIN_Q3_K: return (quant_traits){256, 110, 2, 1, 2, 0, 1, 4, 0};
        case SKEIN_Q4_K: return (quant_traits){256, 144, 4, 0, 1, 1, 1, 0, 0};
        case SKEIN_Q5_K: return (quant_traits){256, 176, 4, 1, 1, 1, 1, 0, 0};
        case SKEIN_Q6_K: return (quant_traits){256, 210, 4, 2, 2, 0, 1, 32, 0};
        case SKEIN_IQ4_NL: return (quant_traits){32, 18, 4, 0, 1, 0, 0, 128, 1};
        case SKEIN_F32: return (quant_traits){.elements = 1, .bytes = 4};
        default: return (quant_traits){.elements = 1, .bytes = 2};
    }
}

static inline int is_quantised(int type) { return type >= SKEIN_Q8_0; }

static inline int64_t file_row_bytes(int type, int columns) {
    quant_traits traits = traits_of(type);
    return (int64_t)columns / traits.elements * traits.bytes;
}

/* 16 bits that need not lie at an even address. */
static inline uint16_t bits16(const uint8_t *p) {
    uint16_t x;
    memcpy(&x, p, 2);
    return x;
}

/* 32 weights of a row. Scale and minimum are the 16-bit floats times the bytes, which are 1 where a type has none. */
typedef struct {
    uint8_t q[QUANT_BLOCK];
    uint16_t scale;
    uint16_t minimum;
    int8_t scales[2];
    int8_t minima[2];
} file_block;

/* Block b, of 32 weights each, of a row of a quantised type. */
void read_block(int type, const uint8_t *row, int b, file_block *out);

/* The values of IQ4_NL, plus 128. */
extern const uint8_t NONLINEAR[16];

#endif
