/* What a pool keeps between and within steps, for the files that plan and run them. Not part of the interface. */
#ifndef SKEIN_STEP_H
#define SKEIN_STEP_H

#include <stdatomic.h>

#include "kernels.h"
#include "pool.h"

#define HUGE_PAGE ((size_t)2 << 20)

/* Memory for weights, in large pieces of large pages, freed together. */
typedef struct region {
    struct region *next;
    uint8_t *data;
    size_t bytes;
    size_t used;
} region;

typedef struct owned_weight {
    struct owned_weight *next;
    skein_weight weight;
} owned_weight;

typedef struct {
    void *data;
    size_t bytes;
} room;

/* What one thread has for itself. */
typedef struct {
    room v;
    room meta;
    room norm;
    room attention;
    room sampling;
    int sampling_ids;
    room grouping; /* of rows by experts */
} own_room;

typedef enum {
    STAGE_ROWS,
    STAGE_PRODUCT,
    STAGE_EMBED,
    STAGE_BIAS,
    STAGE_LAYER_NORM,
    STAGE_POSITIONS,
    STAGE_ACTIVATE,
    STAGE_HEADS,
    STAGE_ATTENTION,
    STAGE_MERGE,
    STAGE_GATHER,
    STAGE_SAMPLE,
    STAGE_ROUTE,
    STAGE_GROUP,
    STAGE_EXPERTS_IN,
    STAGE_EXPERTS_ROWS,
    STAGE_EXPERTS_OUT,
    STAGE_COMBINE
} stage_kind;

/* What all threads do between two barriers. */
typedef struct {
    stage_kind kind;
    int alone;       /* PRODUCT: each thread prepares its rows by itself */
    int prepared;    /* ROWS, PRODUCT: whether rows are quantised */
    int units;       /* ATTENTION: from `first_unit` */
    int first_unit;
    int index;       /* of the operation, for failures */
    const skein_op *op;
    const skein_op *norm; /* goes before the product, the quantisation or the rotation of heads, or NULL */
    const skein_op *bias; /* HEADS: goes before all else, or NULL */
    const skein_op *rope; /* HEADS: goes last, or NULL */
    skein_op attention;   /* with room for chunks */
} stage;

struct skein_cpu {
    pool *pool;
    const skein_kernels *kernels;
    int isa;
    region *regions;
    owned_weight *weights;
    own_room *own;
    room v; /* shared quantised rows */
    room meta;
    room partials;
    room stages;
    room units;
    room chosen;    /* experts of each row, then their weights */
    room expert_x;  /* rows by expert: what goes in, what is between, what comes out */
    room expert_inner;
    room expert_out;
    int unit_count;
    int stage_count;
    const skein_step *step;
    _Atomic int32_t status;
    skein_failure *failure;
};

/* memory.c: statuses, or NULL without memory */

/* Room for so many bytes; what was there is lost if it grows. */
int reserve(room *room, size_t bytes);

/* Whole large pages of zeros, given when they are first written. */
void *map_pages(size_t bytes);

uint8_t *weight_memory(skein_cpu *cpu, size_t bytes);

void free_weights(skein_cpu *cpu);

/* check.c: finds what is wrong in a step's inputs before any thread starts */

int check_step(const skein_step *step, const skein_op *ops, int count, skein_failure *failure);

/* plan.c: operations become stages between barriers */

int plan_stages(skein_cpu *cpu, const skein_op *ops, int count);

/* stages.c: a pool_job, its argument the skein_cpu */

void run_stages(void *argument, int thread);

/* A thread's share of a product. */
void multiply(skein_cpu *cpu, const skein_weight *weight, int kind, int activation, const float *x, quant_rows quantised, int rows,
              int thread, float *out);

/* experts.c */

void run_route(skein_cpu *cpu, const skein_op *op, int thread, int from, int to);
void run_group(skein_cpu *cpu, const skein_op *op, int thread);
void run_experts(skein_cpu *cpu, const skein_op *op, int back, int thread);
void run_experts_rows(skein_cpu *cpu, const skein_op *op, int thread);
void run_combine(skein_cpu *cpu, const skein_op *op, int thread, int from, int to);

/* What a thread does of `count` things. */
static inline void share(int64_t count, int threads, int thread, int *from, int *to) {
    *from = (int)(count * thread / threads);
    *to = (int)(count * (thread + 1) / threads);
}

static inline quant_rows rows_at(const room *v, const room *meta, int row, int columns) {
    return (quant_rows){(int8_t *)v->data + (size_t)row * (size_t)columns * 2,
                        (quant_meta *)meta->data + (size_t)row * (size_t)(columns / QUANT_BLOCK)};
}

/* Rows of all experts together. */
static inline size_t expert_rows(const skein_op *op) { return (size_t)op->rows * (size_t)op->chosen; }

static inline const skein_weight *gated_expert(const skein_op *op, int expert) {
    return ((const skein_weight *const *)op->weight)[expert];
}

static inline const skein_weight *back_expert(const skein_op *op, int expert) {
    return ((const skein_weight *const *)op->weight)[op->bound + expert];
}

static inline int experts_inner(const skein_op *op) { return gated_expert(op, 0)->stride; }

static inline int experts_use(const skein_op *op, int back) {
    int uses = 0;
    for (int e = 0; e < op->bound; e++) uses |= (back ? back_expert(op, e) : gated_expert(op, e))->uses;
    return uses;
}

#endif
