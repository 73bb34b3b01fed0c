/*
 * Skein's kernels for x86-64 cores: a pool of threads that runs lists of operations on packed weights, rows of floats and
 * a paged cache. What each operation means is said in dev.skein.compute.Backend; the arithmetic and its order in the
 * package-info of dev.skein.compute.cpu. Results do not depend, in any bit, on threads, instruction set or batch.
 *
 * Every function returns a status, 0 if all went well. Handles are opaque, freed by their owner. A pool and what was made
 * with it are used by one thread at a time.
 */
#ifndef SKEIN_CPU_H
#define SKEIN_CPU_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Raised whenever anything in this file changes its meaning. */
#define SKEIN_ABI 7

enum skein_status {
    SKEIN_OK = 0,
    SKEIN_BAD_ARGUMENT = 1,
    SKEIN_NO_MEMORY = 2,
    SKEIN_NO_THREAD = 3,
    SKEIN_NO_ISA = 4,
    /* Found in a step's inputs; skein_failure says where. */
    SKEIN_BAD_ID = 5,
    SKEIN_BAD_POSITION = 6,
    SKEIN_BAD_SLOT = 7,
    SKEIN_BAD_BLOCK = 8,
    SKEIN_BAD_ROW = 9,
    SKEIN_BAD_BIAS = 10,
    /* A logit is NaN or infinite. */
    SKEIN_NOT_FINITE = 11
};

enum skein_isa { SKEIN_ISA_AUTO = 0, SKEIN_ISA_AVX2 = 1, SKEIN_ISA_AVX512 = 2, SKEIN_ISA_VNNI = 3 };

/* In the order of dev.skein.compute.ElementType. */
enum skein_type {
    SKEIN_F32 = 0,
    SKEIN_F16 = 1,
    SKEIN_BF16 = 2,
    SKEIN_Q8_0 = 3,
    SKEIN_Q4_0 = 4,
    SKEIN_Q4_1 = 5,
    SKEIN_Q5_0 = 6,
    SKEIN_Q5_1 = 7,
    SKEIN_Q2_K = 8,
    SKEIN_Q3_K = 9,
    SKEIN_Q4_K = 10,
    SKEIN_Q5_K = 11,
    SKEIN_Q6_K = 12,
    SKEIN_IQ4_NL = 13
};

typedef struct skein_cpu skein_cpu;
typedef struct skein_weight skein_weight;
typedef struct skein_cache skein_cache;

typedef struct {
    int32_t threads; /* the caller's included */
    int32_t isa;
    int32_t pin;          /* whether threads 1.. stay on a core each */
    int32_t spin_micros;  /* how long they spin for the next step before they park */
} skein_options;

/* A matrix as it lies in a model file. */
typedef struct {
    const void *data;
    int32_t type;
    int32_t rows;
    int32_t columns;
    int32_t reserved;
} skein_matrix;

enum skein_op_kind {
    SKEIN_OP_EMBED = 0,
    SKEIN_OP_RMS_NORM = 1,
    SKEIN_OP_MATMUL = 2,
    SKEIN_OP_MATMUL_ADD = 3,
    SKEIN_OP_GATED_MATMUL = 4,
    SKEIN_OP_ROPE_STORE = 5,
    SKEIN_OP_ATTENTION = 6,
    SKEIN_OP_GATHER = 7,
    SKEIN_OP_SAMPLE = 8,
    SKEIN_OP_BIAS = 9,
    SKEIN_OP_HEAD_NORM = 10,
    SKEIN_OP_RMS_NORM_ADD = 11,
    SKEIN_OP_EXPERTS = 12,
    SKEIN_OP_LAYER_NORM = 13,
    SKEIN_OP_ADD_POSITIONS = 14,
    SKEIN_OP_ACTIVATE = 15
};

/* In the order of dev.skein.compute.Activation. */
enum skein_activation { SKEIN_SILU = 0, SKEIN_GELU_TANH = 1, SKEIN_GELU = 2 };

/* Which query head another rank has too: each computes it for positions of its own turns and leaves 0 for the others. */
enum skein_shared { SKEIN_SHARED_NONE, SKEIN_SHARED_FIRST, SKEIN_SHARED_LAST };

typedef struct {
    int32_t kind;
    int32_t rows;    /* how many rows of x or out count */
    int32_t columns; /* of x; of out where there is no x */
    int32_t type;    /* EMBED, ADD_POSITIONS: skein_type of the table */
    int32_t query_heads;
    int32_t kv_heads;
    int32_t head_size;
    int32_t layer;
    int32_t rope_pairs;
    int32_t rope_interleaved;
    int32_t bound; /* EMBED, ADD_POSITIONS: rows of the table; ROPE_STORE: positions in the rope table; EXPERTS: how many there are */
    float number;  /* EMBED: factor; norms: epsilon; ATTENTION: scale */
    int32_t window;     /* ATTENTION: the last positions that are seen, 0 for all, -1 for the whole sequence */
    int32_t activation; /* GATED_MATMUL, ACTIVATE: skein_activation */
    int32_t chosen;     /* EXPERTS: for each row */
    int32_t normalised; /* EXPERTS: whether the chosen ones' weights are made to sum to 1 */
    int32_t group;      /* query heads that share a key and value head */
    int32_t skipped;    /* of the first group, those that are not here */
    int32_t shared;     /* ATTENTION: skein_shared */
    int32_t reserved;
    /* EMBED, ADD_POSITIONS: table; norms, BIAS: floats; HEAD_NORM: floats of queries; products: skein_weight; ROPE_STORE: cosines and sines
       by position; EXPERTS: an array of skein_weight *, all gated ones first, then all that lead back */
    const void *weight;
    const void *other; /* HEAD_NORM: floats of keys; LAYER_NORM: floats that are added; EXPERTS: the router's logits */
    const float *x;
    float *out;         /* may be x where an operation works in place */
    skein_cache *cache;
    void *results;      /* SAMPLE: skein_result of each row */
    void *tops;         /* SAMPLE: skein_top, at results' top_start */
} skein_op;

/* A step's inputs, by the regions of dev.skein.compute.StepInputs. */
typedef struct {
    int32_t tokens;
    int32_t sequences;
    int32_t outputs;
    int32_t blocks;
    int32_t history;
    int32_t bias;    /* pairs */
    int32_t allowed;
    int32_t reserved;
    const int32_t *ids;
    const int32_t *positions;
    const int32_t *sequence;
    const int32_t *slots;
    const int32_t *block_start; /* sequences + 1 */
    const int32_t *block_table;
    const void *output; /* skein_output of each output */
    const int32_t *history_ids;
    const int32_t *bias_pairs;
    const int32_t *allowed_ids;
} skein_step;

/* dev.skein.compute.StepInputs.Output, slot by slot. */
typedef struct {
    int32_t row;
    int32_t target;
    int32_t logprobs;
    int32_t top_k;
    float temperature;
    float top_p;
    float min_p;
    float repetition_penalty;
    float frequency_penalty;
    float presence_penalty;
    uint32_t seed_low;
    uint32_t seed_high;
    int32_t position;
    int32_t history_start;
    int32_t history_length;
    int32_t history_prompt;
    int32_t bias_start;
    int32_t bias_length;
    int32_t allowed_start;
    int32_t allowed_length;
} skein_output;

typedef struct {
    int32_t id;
    float logprob;
    int32_t rank;
    int32_t top_start; /* in */
    int32_t top_count; /* in */
    int32_t reserved;
} skein_result;

typedef struct {
    int32_t id;
    float logprob;
} skein_top;

/* Where a list failed: operation, row of it, what was wrong and how many there are. */
typedef struct {
    int32_t op;
    int32_t row;
    int64_t value;
    int64_t bound;
} skein_failure;

int skein_abi(int32_t *number);

/* Bytes of options, matrix, op, step, output, result, top, failure: in this order, 8 numbers. */
int skein_sizes(int32_t *sizes);

/* Never NULL, never freed. */
const char *skein_status_text(int status);

/* Bit 1 << isa for each that this processor and kernel have. */
int skein_cpu_isas(int32_t *isas);

/* Starts the threads. `isa` of the options is taken as it is; AUTO takes the best. */
int skein_open(const skein_options *options, skein_cpu **out);

/* Ends the threads and frees all weights. */
int skein_close(skein_cpu *cpu);

/* Lets so many of the threads take part from now on; 0, as at first: as many as have a core each. Changes no result. */
int skein_take(skein_cpu *cpu, int32_t threads);

/*
 * What a pool of so many threads would decide after each of some jobs, without running any: a job is three numbers, the
 * nanosecond that it ended, how many it took, and how many of them the thread that had its core least could not run.
 */
int skein_team(int32_t threads, const int64_t *jobs, int32_t count, int32_t *active);

/* The instruction set in use, and the cores that this process may use. */
int skein_describe(const skein_cpu *cpu, int32_t *isa, int32_t *cores);

/* Packs matrices of the same columns as one, rows below rows; or, gated, two of the same rows as gate and up. */
int skein_weight_new(skein_cpu *cpu, const skein_matrix *parts, int32_t count, int32_t gated, skein_weight **out);

int skein_weight_bytes(const skein_weight *weight, int64_t *bytes);

/* Reserves memory, which is given when it is first written. */
int skein_cache_new(int32_t layers, int32_t heads, int32_t head_size, int32_t blocks, skein_cache **out);

int skein_cache_free(skein_cache *cache);

/* Runs operations in order and returns when all are done, or none if the inputs are found wrong. */
int skein_run(skein_cpu *cpu, const skein_step *step, const skein_op *ops, int32_t count, skein_failure *failure);

/* sum[i] += part[i]; they do not overlap. */
int skein_add(float *sum, const float *part, int64_t count);

#ifdef __cplusplus
}
#endif
#endif
