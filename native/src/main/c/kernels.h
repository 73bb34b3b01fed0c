/* What the pool knows of an instruction set's kernels, and both of each other. Not part of the interface. */
#ifndef SKEIN_KERNELS_H
#define SKEIN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "blocks.h"
#include "skein_cpu.h"

#define LANES 16          /* rows of a weight that lie side by side; lanes of every sum over a row */
#define CACHE_BLOCK 16    /* tokens */
#define ATTENTION_TILE 64 /* tokens between two moves of a softmax's maximum */
#define ATTENTION_CHUNK 256
#define MAX_THREADS 256

/*
 * Groups of 16 rows, each `group_bytes`. A float group has for each k 16 lanes. In a quantised group come first all
 * blocks' integers. A block's 32 columns are 8 fours, and a line of 64 bytes is the bytes of a four for all 16 rows: 8
 * lines if integers have 8 bits. Of 4 low bits there are 4 lines, line i holding fours i and i + 4 one above the other; of 2
 * bits, low or high, 2 lines, line i holding fours i, i + 2, i + 4 and i + 6; of 1 bit 1 line, four i in bit i. Then for
 * each block and part of it 16 scales, then as many minima if the type has them: 16-bit floats or, of a type with fine
 * scales, signed bytes, which 16 floats for each 8 blocks multiply. Each of these starts on a cache line. Rows missing in
 * the last group are 0. A gated weight alternates groups of gate and up.
 *
 * Where matrices of several types are one weight, it is a list of segments, each with rows of one type; where gate and up
 * differ, each is a weight of its own that is not gated, the first of which knows the second.
 */
struct skein_weight {
    int32_t type;
    int32_t rows; /* of the segment's product: gate's if gated */
    int32_t columns;
    int32_t gated;
    int32_t groups; /* in memory: twice those of the product if gated */
    int32_t blocks; /* in a row */
    int64_t scales; /* where they start in a group */
    int64_t minima;
    int64_t coarse_scales; /* of 8 blocks, with fine scales */
    int64_t coarse_minima;
    int64_t group_bytes;
    uint8_t *data;
    int32_t first;  /* row of the whole product at which the segment's start */
    int32_t stride; /* rows of the whole product */
    int32_t uses;   /* USES_ of all segments from here on */
    struct skein_weight *next; /* segment or NULL */
    struct skein_weight *up;   /* of another type than gate, or NULL */
};

/* What products with a weight read of activations. */
#define USES_FLOATS 1
#define USES_QUANTS 2

/* For layer, block, head: keys as [element][token], then values as [token][element], 16-bit floats. */
struct skein_cache {
    int32_t layers;
    int32_t heads;
    int32_t head_size;
    int32_t blocks;
    uint16_t *data;
    size_t bytes;
};

/* Quantised rows. For each row and block 32 high parts and 32 low parts of v = 128 high + low, and one meta. */
typedef struct {
    float scale;
    float scaled_sum;    /* scale * sum of v */
    int32_t minus_8_sum;    /* -8 * sum of v: what a zero point of 8 takes away */
    int32_t minus_8_second; /* that of the second half */
} quant_meta;

typedef struct {
    int8_t *v;
    quant_meta *meta;
} quant_rows;

/* A piece of attention: consecutive tokens of a sequence, and query heads of one key and value head. */
typedef struct {
    int32_t first; /* row of the step */
    int32_t count;
    int32_t head; /* the first query head */
    int32_t heads;
    int32_t chunk; /* -1: all of them, and the result is final */
} attention_unit;

#define UNIT_QUERIES 24 /* count times heads at most */

/* Maximum, sum, then head_size numbers, for each chunk of a query. */
#define PARTIAL_HEAD 16

/* Fixes a failure. The first one counts. */
typedef struct {
    int32_t status;
    skein_failure where;
} failure_slot;

typedef struct {
    float *logits;      /* processed */
    int32_t *weights;
    float *values;      /* candidates */
    int32_t *ids;
    int32_t *counts;    /* by id: occurrences in the output + 1, or 0; left 0 */
    uint64_t *histogram; /* 2048 */
} sample_scratch;

typedef struct {
    void (*embed)(int type, const void *table, int64_t id, int columns, float factor, float *out);

    /* out may be x. Adds to what is in out, or replaces it. */
    void (*rms_norm)(const float *x, const float *weight, float epsilon, int columns, int add, float *out);

    void (*bias)(const float *by, int columns, float *out);

    /* out may be x. */
    void (*layer_norm)(const float *x, const float *weight, const float *bias, float epsilon, int columns, float *out);

    void (*activate)(int activation, int columns, float *out);

    /* The experts of a row, likeliest first, and their weights. scratch: two floats for each expert, rounded up to LANES. */
    void (*route)(const float *logits, int experts, int chosen, int normalised, float *scratch, int32_t *ids, float *weights);

    /* out += the sum of weights[i] * rows[places[i]], likeliest first. */
    void (*combine)(const float *rows, const int32_t *places, const float *weights, int chosen, int columns, float *out);

    void (*quantise)(const float *x, int columns, int8_t *v, quant_meta *meta);

    /* One segment's products, groups from (inclusive) to (exclusive) of its result; x, its quantised rows or both. */
    void (*matmul)(const skein_weight *weight, int kind, int activation, const float *x, quant_rows quantised, int rows,
                   int from, int to, float *out);

    void (*rope_store)(const skein_op *op, const skein_step *step, int row, int head);

    void (*attention)(const skein_op *op, const skein_step *step, attention_unit unit, float *scratch, float *partials);

    /* Merges the chunks of one query head. */
    void (*attention_merge)(const float *partials, int chunks, int head_size, float *out);

    /* 0 or a status. */
    int (*sample)(const skein_op *op, const skein_step *step, int row, sample_scratch *scratch, skein_failure *failure);
} skein_kernels;

extern const skein_kernels kernels_avx2, kernels_avx512, kernels_vnni;

static inline int chunks_of(int tokens) { return (tokens + ATTENTION_CHUNK - 1) / ATTENTION_CHUNK; }

/* The key and value head that a query head reads. */
static inline int kv_head_of(const skein_op *op, int query_head) { return (op->skipped + query_head) / op->group; }

/* The query heads that read a key and value head: the first, and the one behind the last. */
static inline int first_query_of(const skein_op *op, int kv_head) {
    int first = kv_head * op->group - op->skipped;
    return first > 0 ? first : 0;
}

static inline int end_query_of(const skein_op *op, int kv_head) {
    int end = (kv_head + 1) * op->group - op->skipped;
    return end < op->query_heads ? end : op->query_heads;
}

/* Positions for which one rank computes a head that two share, before it is the other's turn. */
#define TURN 24

/* Whether it is another rank's turn to compute a query head for a position. */
static inline int is_left(const skein_op *op, int query_head, int position) {
    int odd = position / TURN % 2;
    if (op->shared == SKEIN_SHARED_FIRST) return query_head == 0 && !odd;
    return op->shared == SKEIN_SHARED_LAST && query_head == op->query_heads - 1 && odd;
}

/* The first token that one at a position sees. */
static inline int first_seen(const skein_op *op, int position) {
    return op->window > 0 && position >= op->window ? position - op->window + 1 : 0;
}

/* Up to where the token of a row sees: its own position, or its sequence's end, which is in the step. */
static inline int seen_until(const skein_op *op, const skein_step *step, int row) {
    while (op->window < 0 && row + 1 < step->tokens && step->sequence[row + 1] == step->sequence[row]) row++;
    return step->positions[row] + 1;
}

static inline int64_t partial_floats(int head_size) { return PARTIAL_HEAD + head_size; }

#endif
