/* The interface: handles, packing of weights, and the run of a list of operations. */
#define _GNU_SOURCE
#include "skein_cpu.h"

#include <cpuid.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels.h"
#include "pool.h"
#include "team.h"

#define HUGE_PAGE ((size_t)2 << 20)
#define REGION_BYTES ((size_t)64 << 20)
/* Elements of activations up to which each thread quantises all of them for itself rather than wait for others. */
#define ALONE 2400
#define UNITS_PER_THREAD 4

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

/* Status */

const char *skein_status_text(int status) {
    switch (status) {
        case SKEIN_OK: return "ok";
        case SKEIN_BAD_ARGUMENT: return "bad argument";
        case SKEIN_NO_MEMORY: return "no memory";
        case SKEIN_NO_THREAD: return "cannot start a thread";
        case SKEIN_NO_ISA: return "this processor lacks the instruction set";
        case SKEIN_BAD_ID: return "id out of range";
        case SKEIN_BAD_POSITION: return "position beyond the sequence's blocks";
        case SKEIN_BAD_SLOT: return "slot beyond the cache";
        case SKEIN_BAD_BLOCK: return "block beyond the cache";
        case SKEIN_BAD_ROW: return "row beyond the step";
        case SKEIN_BAD_BIAS: return "bias out of range";
        case SKEIN_NOT_FINITE: return "a logit is not finite";
        default: return "unknown status";
    }
}

int skein_abi(int32_t *number) {
    *number = SKEIN_ABI;
    return SKEIN_OK;
}

int skein_sizes(int32_t *sizes) {
    const int32_t all[] = {sizeof(skein_options), sizeof(skein_matrix), sizeof(skein_op),  sizeof(skein_step),
                           sizeof(skein_output),  sizeof(skein_result), sizeof(skein_top), sizeof(skein_failure)};
    memcpy(sizes, all, sizeof all);
    return SKEIN_OK;
}

/* Instruction sets */

int skein_cpu_isas(int32_t *isas) {
    __builtin_cpu_init();
    int avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    int avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    int vnni = avx512 && __builtin_cpu_supports("avx512vnni");
    *isas = avx2 << SKEIN_ISA_AVX2 | avx512 << SKEIN_ISA_AVX512 | vnni << SKEIN_ISA_VNNI;
    return SKEIN_OK;
}

static const skein_kernels *kernels_of(int isa) {
    switch (isa) {
        case SKEIN_ISA_AVX2: return &kernels_avx2;
        case SKEIN_ISA_AVX512: return &kernels_avx512;
        case SKEIN_ISA_VNNI: return &kernels_vnni;
        default: return NULL;
    }
}

/* Memory */

static int reserve(room *room, size_t bytes) {
    if (room->bytes >= bytes) return SKEIN_OK;
    size_t wanted = (bytes + bytes / 2 + 4095) & ~(size_t)4095;
    void *data = aligned_alloc(64, wanted);
    if (!data) return SKEIN_NO_MEMORY;
    free(room->data);
    room->data = data;
    room->bytes = wanted;
    return SKEIN_OK;
}

static void *map(size_t bytes) {
    void *data = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) return NULL;
    uintptr_t from = (uintptr_t)data;
    uintptr_t aligned = (from + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    if (aligned > from) munmap(data, aligned - from);
    if (aligned - from < HUGE_PAGE) munmap((void *)(aligned + bytes), HUGE_PAGE - (aligned - from));
    madvise((void *)aligned, bytes, MADV_HUGEPAGE); /* slower without, not wrong */
    return (void *)aligned;
}

static uint8_t *weight_memory(skein_cpu *cpu, size_t bytes) {
    bytes = (bytes + 4095 + 64) & ~(size_t)63; /* kernels fetch ahead */
    if (!cpu->regions || cpu->regions->bytes - cpu->regions->used < bytes) {
        region *made = malloc(sizeof *made);
        if (!made) return NULL;
        made->bytes = ((bytes > REGION_BYTES ? bytes : REGION_BYTES) + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
        made->used = 0;
        made->data = map(made->bytes);
        if (!made->data) {
            free(made);
            return NULL;
        }
        made->next = cpu->regions;
        cpu->regions = made;
    }
    uint8_t *data = cpu->regions->data + cpu->regions->used;
    cpu->regions->used += bytes;
    return data;
}

/* Opening */

int skein_open(const skein_options *options, skein_cpu **out) {
    int32_t isas;
    skein_cpu_isas(&isas);
    int isa = options->isa;
    if (isa == SKEIN_ISA_AUTO) {
        for (int best = SKEIN_ISA_AVX2; best <= SKEIN_ISA_VNNI; best++) isa = isas >> best & 1 ? best : isa;
    }
    if (isa < SKEIN_ISA_AVX2 || isa > SKEIN_ISA_VNNI || !(isas >> isa & 1)) return SKEIN_NO_ISA;
    if (options->threads < 1 || options->threads > MAX_THREADS || options->spin_micros < 0) return SKEIN_BAD_ARGUMENT;
    skein_cpu *cpu = calloc(1, sizeof *cpu);
    own_room *own = calloc((size_t)options->threads, sizeof *own);
    if (!cpu || !own) {
        free(cpu);
        free(own);
        return SKEIN_NO_MEMORY;
    }
    cpu->own = own;
    cpu->isa = isa;
    cpu->kernels = kernels_of(isa);
    int status = pool_open(options->threads, options->pin, options->spin_micros, &cpu->pool);
    if (status) {
        free(own);
        free(cpu);
        return status;
    }
    *out = cpu;
    return SKEIN_OK;
}

int skein_close(skein_cpu *cpu) {
    int threads = pool_threads(cpu->pool);
    pool_close(cpu->pool);
    for (int i = 0; i < threads; i++) {
        own_room *own = cpu->own + i;
        room *rooms[] = {&own->v, &own->meta, &own->norm, &own->attention, &own->sampling, &own->grouping};
        for (size_t r = 0; r < sizeof rooms / sizeof *rooms; r++) free(rooms[r]->data);
    }
    free(cpu->own);
    room *rooms[] = {&cpu->v,      &cpu->meta,     &cpu->partials,     &cpu->stages,    &cpu->units,
                     &cpu->chosen, &cpu->expert_x, &cpu->expert_inner, &cpu->expert_out};
    for (size_t r = 0; r < sizeof rooms / sizeof *rooms; r++) free(rooms[r]->data);
    for (region *next, *each = cpu->regions; each; each = next) {
        next = each->next;
        munmap(each->data, each->bytes);
        free(each);
    }
    for (owned_weight *next, *each = cpu->weights; each; each = next) {
        next = each->next;
        free(each);
    }
    free(cpu);
    return SKEIN_OK;
}

int skein_take(skein_cpu *cpu, int32_t threads) {
    if (threads < 0 || threads > pool_threads(cpu->pool)) return SKEIN_BAD_ARGUMENT;
    pool_take(cpu->pool, threads);
    return SKEIN_OK;
}

int skein_team(int32_t threads, const int64_t *jobs, int32_t count, int32_t *active) {
    if (threads < 1 || threads > MAX_THREADS) return SKEIN_BAD_ARGUMENT;
    team made;
    team_open(&made, threads);
    for (int32_t i = 0; i < count; i++) active[i] = team_next(&made, jobs[3 * i], jobs[3 * i + 1], jobs[3 * i + 2]);
    return SKEIN_OK;
}

int skein_describe(const skein_cpu *cpu, int32_t *isa, int32_t *cores) {
    *isa = cpu->isa;
    *cores = pool_cores();
    return SKEIN_OK;
}

/* Cache */

int skein_cache_new(int32_t layers, int32_t heads, int32_t head_size, int32_t blocks, skein_cache **out) {
    if (layers < 1 || heads < 1 || blocks < 1 || head_size < LANES || head_size % LANES != 0) return SKEIN_BAD_ARGUMENT;
    skein_cache *cache = calloc(1, sizeof *cache);
    if (!cache) return SKEIN_NO_MEMORY;
    *cache = (skein_cache){layers, heads, head_size, blocks, NULL, 0};
    cache->bytes = (size_t)layers * (size_t)heads * (size_t)blocks * (size_t)head_size * CACHE_BLOCK * 4;
    cache->bytes = (cache->bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    cache->data = map(cache->bytes);
    if (!cache->data) {
        free(cache);
        return SKEIN_NO_MEMORY;
    }
    *out = cache;
    return SKEIN_OK;
}

int skein_cache_free(skein_cache *cache) {
    munmap(cache->data, cache->bytes);
    free(cache);
    return SKEIN_OK;
}

/* Weights */

typedef struct {
    const skein_matrix *parts;
    int count;
    int threads;
    skein_weight *weight;
} packing;

/* A row of the result in the file, or NULL where the last group has no more. */
static const uint8_t *source_row(const packing *p, int group, int lane) {
    int64_t bytes = file_row_bytes(p->weight->type, p->weight->columns);
    int row = (p->weight->gated ? group / 2 : group) * LANES + lane;
    if (p->weight->gated) {
        return row < p->weight->rows ? (const uint8_t *)p->parts[group % 2].data + row * bytes : NULL;
    }
    for (int i = 0; i < p->count; i++) {
        if (row < p->parts[i].rows) return (const uint8_t *)p->parts[i].data + row * bytes;
        row -= p->parts[i].rows;
    }
    return NULL;
}

/*
 * One row's share of a block, four integers at a time: see skein_weight. `lines` of 64 bytes hold `bits` of each integer
 * from bit `from` on.
 */
static inline __attribute__((always_inline)) void pack_bits(const int lines, const int from, const int bits, const uint32_t fours[8],
                                                            uint8_t *out) {
    const uint32_t wanted = 0x01010101u * ((1u << bits) - 1);
#pragma GCC unroll 8
    for (int line = 0; line < lines; line++) {
        uint32_t bytes = 0;
#pragma GCC unroll 8
        for (int c = line; c < 8; c += lines) bytes |= (fours[c] >> from & wanted) << c / lines * bits;
        memcpy(out + 64 * line, &bytes, 4);
    }
}

static void pack_integers(const quant_traits *traits, const uint8_t *q, uint8_t *out) {
    uint32_t fours[8];
    memcpy(fours, q, sizeof fours);
    switch (traits->low) {
        case 8: pack_bits(8, 0, 8, fours, out); break;
        case 4: pack_bits(4, 0, 4, fours, out); break;
        default: pack_bits(2, 0, 2, fours, out);
    }
    if (traits->high == 1) pack_bits(1, traits->low, 1, fours, out + 64 * traits->low);
    if (traits->high == 2) pack_bits(2, traits->low, 2, fours, out + 64 * traits->low);
}

static void pack_scales(const quant_traits *traits, int b, int lane, uint16_t coarse, const int8_t *fine, uint8_t *at,
                        uint8_t *coarse_at) {
    if (!traits->fine) {
        memcpy(at + (b * LANES + lane) * 2, &coarse, 2);
        return;
    }
    memcpy(coarse_at + (b / 8 * LANES + lane) * 2, &coarse, 2);
    for (int part = 0; part < traits->parts; part++) at[(b * traits->parts + part) * LANES + lane] = (uint8_t)fine[part];
}

static void pack_quants(const packing *p, int lane, const uint8_t *row, uint8_t *out) {
    const skein_weight *w = p->weight;
    quant_traits traits = traits_of(w->type);
    int bytes = 64 * (traits.low + traits.high);
    file_block block;
    for (int b = 0; b < w->blocks; b++) {
        read_block(w->type, row, b, &block);
        pack_integers(&traits, block.q, out + (size_t)b * (size_t)bytes + lane * 4);
        pack_scales(&traits, b, lane, block.scale, block.scales, out + w->scales, out + w->coarse_scales);
        if (traits.minimum) {
            pack_scales(&traits, b, lane, block.minimum, block.minima, out + w->minima, out + w->coarse_minima);
        }
    }
}

static void pack_floats(const packing *p, int lane, const uint8_t *row, uint8_t *out) {
    const skein_weight *w = p->weight;
    if (w->type == SKEIN_F32) {
        for (int k = 0; k < w->columns; k++) memcpy(out + ((size_t)k * LANES + (size_t)lane) * 4, row + 4 * (size_t)k, 4);
    } else {
        for (int k = 0; k < w->columns; k++) memcpy(out + ((size_t)k * LANES + (size_t)lane) * 2, row + 2 * (size_t)k, 2);
    }
}

static void pack(void *argument, int thread) {
    const packing *p = argument;
    int64_t groups = p->weight->groups;
    for (int64_t group = groups * thread / p->threads; group < groups * (thread + 1) / p->threads; group++) {
        uint8_t *out = p->weight->data + group * p->weight->group_bytes; /* fresh memory: zero */
        for (int lane = 0; lane < LANES; lane++) {
            const uint8_t *row = source_row(p, (int)group, lane);
            if (!row) continue;
            if (is_quantised(p->weight->type)) {
                pack_quants(p, lane, row, out);
            } else {
                pack_floats(p, lane, row, out);
            }
        }
    }
}

static int64_t whole_lines(int64_t bytes) { return (bytes + 63) & ~(int64_t)63; }

static void lay_out(skein_weight *w) {
    quant_traits traits = traits_of(w->type);
    if (!is_quantised(w->type)) {
        w->group_bytes = (int64_t)w->columns * LANES * traits.bytes;
        return;
    }
    int64_t scale_bytes = whole_lines((int64_t)w->blocks * traits.parts * LANES * (traits.fine ? 1 : 2));
    int64_t coarse_bytes = traits.fine ? whole_lines((int64_t)w->blocks / 8 * LANES * 2) : 0;
    w->scales = (int64_t)w->blocks * 64 * (traits.low + traits.high);
    w->coarse_scales = w->scales + scale_bytes;
    w->minima = w->coarse_scales + coarse_bytes;
    w->coarse_minima = w->minima + scale_bytes;
    w->group_bytes = traits.minimum ? w->coarse_minima + coarse_bytes : w->minima;
}

static int check_parts(const skein_matrix *parts, int32_t count, int32_t gated) {
    if (count < 1 || (gated && count != 2)) return SKEIN_BAD_ARGUMENT;
    int64_t rows = 0;
    for (int i = 0; i < count; i++) {
        if (parts[i].type < SKEIN_F32 || parts[i].type > LAST_TYPE) return SKEIN_BAD_ARGUMENT;
        if (parts[i].rows < 1 || parts[i].columns < 1 || parts[i].columns != parts[0].columns) return SKEIN_BAD_ARGUMENT;
        if (parts[i].columns % traits_of(parts[i].type).elements != 0) return SKEIN_BAD_ARGUMENT;
        rows += parts[i].rows;
    }
    if (gated && parts[0].rows != parts[1].rows) return SKEIN_BAD_ARGUMENT;
    return rows > INT32_MAX - LANES ? SKEIN_BAD_ARGUMENT : SKEIN_OK;
}

/* Packs matrices of one type. Freed with the pool. */
static int segment(skein_cpu *cpu, const skein_matrix *parts, int count, int gated, skein_weight **out) {
    owned_weight *made = calloc(1, sizeof *made);
    if (!made) return SKEIN_NO_MEMORY;
    skein_weight *w = &made->weight;
    w->type = parts[0].type;
    for (int i = 0; i < (gated ? 1 : count); i++) w->rows += parts[i].rows;
    w->columns = parts[0].columns;
    w->gated = gated;
    w->groups = (w->rows + LANES - 1) / LANES * (gated ? 2 : 1);
    w->blocks = w->columns / QUANT_BLOCK;
    w->stride = w->rows;
    w->uses = is_quantised(w->type) ? USES_QUANTS : USES_FLOATS;
    lay_out(w);
    w->data = weight_memory(cpu, (size_t)(w->groups * w->group_bytes));
    if (!w->data) {
        free(made);
        return SKEIN_NO_MEMORY;
    }
    made->next = cpu->weights;
    cpu->weights = made;
    packing job = {parts, count, pool_active(cpu->pool), w};
    pool_run(cpu->pool, pack, &job);
    *out = w;
    return SKEIN_OK;
}

static int gate_and_up(skein_cpu *cpu, const skein_matrix *parts, skein_weight **out) {
    if (parts[0].type == parts[1].type) return segment(cpu, parts, 2, 1, out);
    int status = segment(cpu, parts, 1, 0, out);
    if (status) return status;
    status = segment(cpu, parts + 1, 1, 0, &(*out)->up);
    if (!status) (*out)->uses |= (*out)->up->uses;
    return status;
}

static int stacked(skein_cpu *cpu, const skein_matrix *parts, int count, skein_weight **out) {
    int stride = 0;
    for (int i = 0; i < count; i++) stride += parts[i].rows;
    int first = 0;
    int uses = 0;
    skein_weight **to = out;
    for (int i = 0, same; i < count; i += same) {
        for (same = 1; i + same < count && parts[i + same].type == parts[i].type;) same++;
        int status = segment(cpu, parts + i, same, 0, to);
        if (status) return status;
        (*to)->first = first;
        (*to)->stride = stride;
        first += (*to)->rows;
        uses |= (*to)->uses;
        to = &(*to)->next;
    }
    (*out)->uses = uses;
    return SKEIN_OK;
}

int skein_weight_new(skein_cpu *cpu, const skein_matrix *parts, int32_t count, int32_t gated, skein_weight **out) {
    int status = check_parts(parts, count, gated);
    if (status) return status;
    return gated ? gate_and_up(cpu, parts, out) : stacked(cpu, parts, count, out);
}

int skein_weight_bytes(const skein_weight *weight, int64_t *bytes) {
    *bytes = 0;
    for (const skein_weight *each = weight; each; each = each->next) {
        *bytes += each->groups * each->group_bytes;
        if (each->up) *bytes += each->up->groups * each->up->group_bytes;
    }
    return SKEIN_OK;
}

/* Checks of a step's inputs, before any thread starts */

static int wrong(skein_failure *failure, int status, int row, int64_t value, int64_t bound) {
    failure->row = row;
    failure->value = value;
    failure->bound = bound;
    return status;
}

static int check_ids(const skein_op *op, const skein_step *step, skein_failure *failure) {
    for (int i = 0; i < step->tokens; i++) {
        if (step->ids[i] < 0 || step->ids[i] >= op->bound) return wrong(failure, SKEIN_BAD_ID, i, step->ids[i], op->bound);
    }
    return SKEIN_OK;
}

static int check_table(const skein_op *op, const skein_step *step, skein_failure *failure) {
    for (int i = 0; i < step->tokens; i++) {
        int position = step->positions[i];
        if (position < 0 || position >= op->bound) return wrong(failure, SKEIN_BAD_POSITION, i, position, op->bound);
    }
    return SKEIN_OK;
}

static int check_positions(const skein_step *step, skein_failure *failure) {
    for (int i = 0; i < step->tokens; i++) {
        int sequence = step->sequence[i];
        if (sequence < 0 || sequence >= step->sequences) return wrong(failure, SKEIN_BAD_ROW, i, sequence, step->sequences);
        int64_t held = (int64_t)(step->block_start[sequence + 1] - step->block_start[sequence]) * CACHE_BLOCK;
        int position = step->positions[i];
        if (position < 0 || position >= held) return wrong(failure, SKEIN_BAD_POSITION, i, position, held);
    }
    return SKEIN_OK;
}

static int check_slots(const skein_op *op, const skein_step *step, skein_failure *failure) {
    int64_t slots = (int64_t)op->cache->blocks * CACHE_BLOCK;
    for (int i = 0; i < step->tokens; i++) {
        if (step->slots[i] < 0 || step->slots[i] >= slots) return wrong(failure, SKEIN_BAD_SLOT, i, step->slots[i], slots);
        if (step->positions[i] >= op->bound) return wrong(failure, SKEIN_BAD_POSITION, i, step->positions[i], op->bound);
    }
    return SKEIN_OK;
}

static int check_blocks(const skein_op *op, const skein_step *step, skein_failure *failure) {
    for (int i = 0; i < step->blocks; i++) {
        int block = step->block_table[i];
        if (block < 0 || block >= op->cache->blocks) return wrong(failure, SKEIN_BAD_BLOCK, i, block, op->cache->blocks);
    }
    return SKEIN_OK;
}

static int check_outputs(const skein_step *step, skein_failure *failure) {
    const skein_output *outputs = step->output;
    for (int i = 0; i < step->outputs; i++) {
        if (outputs[i].row < 0 || outputs[i].row >= step->tokens) {
            return wrong(failure, SKEIN_BAD_ROW, i, outputs[i].row, step->tokens);
        }
    }
    return SKEIN_OK;
}

/* Each kind of check once for each cache, not for each layer. */
static int check(const skein_step *step, const skein_op *ops, int count, skein_failure *failure) {
    const skein_cache *stored = NULL;
    const skein_cache *read = NULL;
    int positions = 0;
    int status = SKEIN_OK;
    for (int i = 0; i < count && !status; i++) {
        const skein_op *op = ops + i;
        failure->op = i;
        if (op->kind == SKEIN_OP_EMBED) status = check_ids(op, step, failure);
        if (op->kind == SKEIN_OP_GATHER) status = check_outputs(step, failure);
        if (op->kind == SKEIN_OP_ADD_POSITIONS) status = check_table(op, step, failure);
        if (!positions && (op->kind == SKEIN_OP_ROPE_STORE || op->kind == SKEIN_OP_ATTENTION)) {
            positions = 1;
            status = check_positions(step, failure);
        }
        if (!status && op->kind == SKEIN_OP_ROPE_STORE && op->cache != stored) {
            stored = op->cache;
            status = check_slots(op, step, failure);
        }
        if (!status && op->kind == SKEIN_OP_ATTENTION && op->cache != read) {
            read = op->cache;
            status = check_blocks(op, step, failure);
        }
    }
    return status;
}

/* The plan: operations become stages between barriers */

static int is_product(const skein_op *op) { return op->kind >= SKEIN_OP_MATMUL && op->kind <= SKEIN_OP_GATED_MATMUL; }

static const skein_weight *weight_of(const skein_op *op) { return op->weight; }

static int uses_quants(const skein_op *op) { return weight_of(op)->uses & USES_QUANTS; }

static stage *add_stage(skein_cpu *cpu, stage_kind kind, const skein_op *op, int index) {
    stage *made = (stage *)cpu->stages.data + cpu->stage_count++;
    memset(made, 0, sizeof *made);
    made->kind = kind;
    made->op = op;
    made->index = index;
    return made;
}

static size_t v_bytes(const skein_op *op) { return (size_t)op->rows * (size_t)op->columns * 2; }

static size_t meta_bytes(const skein_op *op) {
    return (size_t)op->rows * (size_t)(op->columns / QUANT_BLOCK) * sizeof(quant_meta);
}

static int reserve_rows(const skein_op *op, room *v, room *meta) {
    int status = reserve(v, v_bytes(op));
    return status ? status : reserve(meta, meta_bytes(op));
}

/* A product, with the norm before it if it has one. */
static int plan_product(skein_cpu *cpu, const skein_op *norm, const skein_op *op, int index) {
    if (!uses_quants(op)) {
        if (norm) add_stage(cpu, STAGE_ROWS, norm, index)->norm = norm;
        add_stage(cpu, STAGE_PRODUCT, op, index);
        return SKEIN_OK;
    }
    int threads = pool_active(cpu->pool);
    int alone = threads == 1 || (int64_t)op->rows * op->columns <= ALONE;
    if (weight_of(op)->uses & USES_FLOATS) alone = 0; /* others' norms must be there */
    if (!alone) {
        stage *rows = add_stage(cpu, STAGE_ROWS, op, index);
        rows->norm = norm;
        rows->prepared = 1;
        add_stage(cpu, STAGE_PRODUCT, op, index)->prepared = 1;
        return reserve_rows(op, &cpu->v, &cpu->meta);
    }
    stage *product = add_stage(cpu, STAGE_PRODUCT, op, index);
    product->alone = 1;
    product->norm = norm;
    for (int i = 0; i < threads; i++) {
        int status = reserve_rows(op, &cpu->own[i].v, &cpu->own[i].meta);
        if (!status) status = reserve(&cpu->own[i].norm, (size_t)op->columns * 4);
        if (status) return status;
    }
    return SKEIN_OK;
}

/* All pieces of a step's attention, which are the same in every layer with the same heads. */
static int plan_units(skein_cpu *cpu, const skein_op *op, int by_chunk) {
    const skein_step *step = cpu->step;
    int group = op->query_heads / op->kv_heads;
    int heads = group < UNIT_QUERIES ? group : UNIT_QUERIES;
    int tokens = by_chunk || UNIT_QUERIES / heads < 1 ? 1 : UNIT_QUERIES / heads;
    size_t most = 0;
    for (int pass = 0; pass < 2; pass++) {
        size_t count = 0;
        attention_unit *units = (attention_unit *)cpu->units.data + cpu->unit_count;
        for (int first = 0, taken; first < step->tokens; first += taken) {
            taken = 1;
            while (taken < tokens && first + taken < step->tokens &&
                   step->sequence[first + taken] == step->sequence[first] &&
                   step->positions[first + taken] > step->positions[first + taken - 1]) {
                taken++;
            }
            int begin = by_chunk ? first_seen(op, step->positions[first]) / ATTENTION_CHUNK : 0;
            int chunks = by_chunk ? chunks_of(seen_until(op, step, first)) : 1;
            for (int head = 0, here; head < op->query_heads; head += here) {
                int left = group - head % group; /* of those that share a key head */
                here = heads < left ? heads : left;
                for (int chunk = begin; chunk < chunks; chunk++, count++) {
                    if (pass) units[count] = (attention_unit){first, taken, head, here, by_chunk ? chunk : -1};
                }
            }
        }
        most = count;
        if (!pass) {
            room old = cpu->units;
            size_t bytes = ((size_t)cpu->unit_count + count) * sizeof(attention_unit);
            if (old.bytes < bytes) {
                void *data = realloc(old.data, bytes * 2);
                if (!data) return SKEIN_NO_MEMORY;
                cpu->units = (room){data, bytes * 2};
            }
        }
    }
    cpu->unit_count += (int)most;
    return SKEIN_OK;
}

static int plan_attention(skein_cpu *cpu, const skein_op *op, int index) {
    const skein_step *step = cpu->step;
    int threads = pool_active(cpu->pool);
    int chunks = 1;
    for (int i = 0; i < step->tokens; i++) {
        int here = chunks_of(step->positions[i] + 1);
        chunks = here > chunks ? here : chunks;
    }
    int group = op->query_heads / op->kv_heads;
    int together = group >= UNIT_QUERIES ? 1 : UNIT_QUERIES / group;
    int by_chunk = chunks > 1 && threads > 1 &&
                   (int64_t)(step->tokens + together - 1) / together * op->kv_heads < (int64_t)UNITS_PER_THREAD * threads;
    stage *before = NULL;
    for (int i = cpu->stage_count - 1; i >= 0 && !before; i--) {
        stage *each = (stage *)cpu->stages.data + i;
        if (each->kind == STAGE_ATTENTION && each->op->query_heads == op->query_heads && each->op->kv_heads == op->kv_heads &&
            each->op->window == op->window) {
            before = each;
        }
    }
    stage *made = add_stage(cpu, STAGE_ATTENTION, op, index);
    made->attention = *op;
    made->attention.bound = chunks;
    if (before) {
        made->first_unit = before->first_unit;
        made->units = before->units;
    } else {
        made->first_unit = cpu->unit_count;
        int status = plan_units(cpu, op, by_chunk);
        if (status) return status;
        made->units = cpu->unit_count - made->first_unit;
    }
    size_t partial = (size_t)partial_floats(op->head_size) * 4;
    if (by_chunk) {
        stage *merge = add_stage(cpu, STAGE_MERGE, op, index);
        merge->attention = made->attention;
        int status = reserve(&cpu->partials, (size_t)step->tokens * (size_t)op->query_heads * (size_t)chunks * partial);
        if (status) return status;
    }
    size_t own = UNIT_QUERIES * (LANES * 4 + (by_chunk ? 0 : (size_t)chunks * partial));
    for (int i = 0; i < threads; i++) {
        int status = reserve(&cpu->own[i].attention, own);
        if (status) return status;
    }
    return SKEIN_OK;
}

/* Rows of all experts together. */
static size_t expert_rows(const skein_op *op) { return (size_t)op->rows * (size_t)op->chosen; }

static const skein_weight *gated_expert(const skein_op *op, int expert) {
    return ((const skein_weight *const *)op->weight)[expert];
}

static const skein_weight *back_expert(const skein_op *op, int expert) {
    return ((const skein_weight *const *)op->weight)[op->bound + expert];
}

static int experts_inner(const skein_op *op) { return gated_expert(op, 0)->stride; }

static int experts_use(const skein_op *op, int back) {
    int uses = 0;
    for (int e = 0; e < op->bound; e++) uses |= (back ? back_expert(op, e) : gated_expert(op, e))->uses;
    return uses;
}

/*
 * Each thread sorts the rows by expert for itself, which needs no barrier; then each expert's weights are read once, each
 * thread having its share of every expert's, and what comes out is added up row by row.
 */
static int plan_experts(skein_cpu *cpu, const skein_op *op, int index) {
    int inner = experts_inner(op);
    size_t rows = expert_rows(op);
    size_t widest = (size_t)(inner > op->columns ? inner : op->columns);
    add_stage(cpu, STAGE_ROUTE, op, index);
    add_stage(cpu, STAGE_GROUP, op, index);
    add_stage(cpu, STAGE_EXPERTS_IN, op, index);
    if (experts_use(op, 1) & USES_QUANTS) add_stage(cpu, STAGE_EXPERTS_ROWS, op, index);
    add_stage(cpu, STAGE_EXPERTS_OUT, op, index);
    add_stage(cpu, STAGE_COMBINE, op, index);
    int status = reserve(&cpu->chosen, rows * 8);
    if (!status) status = reserve(&cpu->v, rows * widest * 2);
    if (!status) status = reserve(&cpu->meta, rows * (widest / QUANT_BLOCK + 1) * sizeof(quant_meta));
    if (!status) status = reserve(&cpu->expert_x, rows * (size_t)op->columns * 4);
    if (!status) status = reserve(&cpu->expert_inner, rows * (size_t)inner * 4);
    if (!status) status = reserve(&cpu->expert_out, rows * (size_t)op->columns * 4);
    for (int i = 0; i < pool_threads(cpu->pool) && !status; i++) {
        status = reserve(&cpu->own[i].grouping, (2 * rows + 3 * (size_t)op->bound + 4 * LANES) * 4);
    }
    return status;
}

static int plan_sample(skein_cpu *cpu, const skein_op *op, int index) {
    add_stage(cpu, STAGE_SAMPLE, op, index);
    size_t ids = ((size_t)op->columns + 2 * LANES + 63) & ~(size_t)63;
    for (int i = 0; i < pool_threads(cpu->pool); i++) {
        own_room *own = cpu->own + i;
        if (own->sampling_ids >= op->columns) continue;
        int status = reserve(&own->sampling, ids * 20 + 2048 * 8);
        if (status) return status;
        memset(own->sampling.data, 0, own->sampling.bytes);
        own->sampling_ids = op->columns;
    }
    return SKEIN_OK;
}

static int plan_positions(skein_cpu *cpu, const skein_op *op, int index) {
    add_stage(cpu, STAGE_POSITIONS, op, index);
    int status = SKEIN_OK;
    for (int i = 0; i < pool_threads(cpu->pool) && !status; i++) status = reserve(&cpu->own[i].norm, (size_t)op->columns * 4);
    return status;
}

static int plan_op(skein_cpu *cpu, const skein_op *op, int index) {
    switch (op->kind) {
        case SKEIN_OP_EMBED:
            add_stage(cpu, STAGE_EMBED, op, index);
            return SKEIN_OK;
        case SKEIN_OP_RMS_NORM:
        case SKEIN_OP_RMS_NORM_ADD:
            add_stage(cpu, STAGE_ROWS, op, index)->norm = op;
            return SKEIN_OK;
        case SKEIN_OP_BIAS:
            add_stage(cpu, STAGE_BIAS, op, index);
            return SKEIN_OK;
        case SKEIN_OP_LAYER_NORM:
            add_stage(cpu, STAGE_LAYER_NORM, op, index);
            return SKEIN_OK;
        case SKEIN_OP_ADD_POSITIONS:
            return plan_positions(cpu, op, index);
        case SKEIN_OP_ACTIVATE:
            add_stage(cpu, STAGE_ACTIVATE, op, index);
            return SKEIN_OK;
        case SKEIN_OP_HEAD_NORM:
            add_stage(cpu, STAGE_HEADS, op, index)->norm = op;
            return SKEIN_OK;
        case SKEIN_OP_EXPERTS:
            return plan_experts(cpu, op, index);
        case SKEIN_OP_MATMUL:
        case SKEIN_OP_MATMUL_ADD:
        case SKEIN_OP_GATED_MATMUL:
            return plan_product(cpu, NULL, op, index);
        case SKEIN_OP_ROPE_STORE:
            add_stage(cpu, STAGE_HEADS, op, index)->rope = op;
            return SKEIN_OK;
        case SKEIN_OP_ATTENTION:
            return plan_attention(cpu, op, index);
        case SKEIN_OP_GATHER:
            add_stage(cpu, STAGE_GATHER, op, index);
            return SKEIN_OK;
        case SKEIN_OP_SAMPLE:
            return plan_sample(cpu, op, index);
        default:
            return SKEIN_BAD_ARGUMENT;
    }
}

/* A norm goes into the product that follows it, unless the product overwrites what others still read for the norm. */
static int joins(const skein_op *norm, const skein_op *product) {
    return norm->kind == SKEIN_OP_RMS_NORM && is_product(product) && product->x == norm->out && norm->x != norm->out &&
           product->out != norm->x && product->rows == norm->rows;
}

/* Bias, norm and rotation of the same heads are one stage. Returns how many of the operations. */
static int plan_heads(skein_cpu *cpu, const skein_op *ops, int count, int index) {
    const skein_op *bias = ops->kind == SKEIN_OP_BIAS ? ops : NULL;
    int taken = bias != NULL;
    const skein_op *norm = taken < count && ops[taken].kind == SKEIN_OP_HEAD_NORM ? ops + taken : NULL;
    taken += norm != NULL;
    const skein_op *rope = taken < count && ops[taken].kind == SKEIN_OP_ROPE_STORE ? ops + taken : NULL;
    taken += rope != NULL;
    const skein_op *last = ops + taken - 1;
    if (taken < 2 || last->kind == SKEIN_OP_BIAS) return 0;
    for (int i = 0; i < taken; i++) {
        if (ops[i].out != last->out || ops[i].rows != last->rows) return 0;
    }
    if (norm && rope && (norm->query_heads != rope->query_heads || norm->kv_heads != rope->kv_heads)) return 0;
    stage *made = add_stage(cpu, STAGE_HEADS, last, index + taken - 1);
    made->bias = bias;
    made->norm = norm;
    made->rope = rope;
    return taken;
}

static int plan(skein_cpu *cpu, const skein_op *ops, int count) {
    cpu->stage_count = 0;
    cpu->unit_count = 0;
    int status = reserve(&cpu->stages, (size_t)(6 * count + 2) * sizeof(stage));
    for (int i = 0; i < count && !status; i++) {
        if (ops[i].rows == 0) continue;
        int heads = plan_heads(cpu, ops + i, count - i, i);
        if (heads > 0) {
            i += heads - 1;
        } else if (i + 1 < count && joins(ops + i, ops + i + 1)) {
            status = plan_product(cpu, ops + i, ops + i + 1, i + 1);
            i++;
        } else {
            status = plan_op(cpu, ops + i, i);
        }
    }
    return status;
}

/* Running stages */

static void share(int64_t count, int threads, int thread, int *from, int *to) {
    *from = (int)(count * thread / threads);
    *to = (int)(count * (thread + 1) / threads);
}

static quant_rows rows_at(const room *v, const room *meta, int row, int columns) {
    return (quant_rows){(int8_t *)v->data + (size_t)row * (size_t)columns * 2,
                        (quant_meta *)meta->data + (size_t)row * (size_t)(columns / QUANT_BLOCK)};
}

static void norm_row(const skein_cpu *cpu, const skein_op *norm, int row, float *out) {
    cpu->kernels->rms_norm(norm->x + (size_t)row * norm->columns, norm->weight, norm->number, norm->columns,
                           norm->kind == SKEIN_OP_RMS_NORM_ADD, out);
}

static void run_rows(skein_cpu *cpu, const stage *stage, int from, int to) {
    const skein_op *op = stage->op;
    for (int row = from; row < to; row++) {
        if (stage->norm) norm_row(cpu, stage->norm, row, stage->norm->out + (size_t)row * stage->norm->columns);
        if (stage->prepared) {
            quant_rows rows = rows_at(&cpu->v, &cpu->meta, row, op->columns);
            cpu->kernels->quantise(op->x + (size_t)row * op->columns, op->columns, rows.v, rows.meta);
        }
    }
}

/* Each thread makes all quantised rows for itself; thread 0 also leaves the norm where it was asked for. */
static quant_rows run_alone(skein_cpu *cpu, const stage *stage, int thread) {
    own_room *own = cpu->own + thread;
    const skein_op *op = stage->op;
    for (int row = 0; row < op->rows; row++) {
        const float *x = op->x + (size_t)row * op->columns;
        if (stage->norm) {
            float *out = thread == 0 ? stage->norm->out + (size_t)row * op->columns : own->norm.data;
            norm_row(cpu, stage->norm, row, out);
            x = out;
        }
        quant_rows rows = rows_at(&own->v, &own->meta, row, op->columns);
        cpu->kernels->quantise(x, op->columns, rows.v, rows.meta);
    }
    return rows_at(&own->v, &own->meta, 0, op->columns);
}

/* A thread's share of a product. */
static void multiply(skein_cpu *cpu, const skein_weight *weight, int kind, int activation, const float *x,
                     quant_rows quantised, int rows, int thread, float *out) {
    for (const skein_weight *each = weight; each; each = each->next) {
        int from;
        int to;
        share(each->gated ? each->groups / 2 : each->groups, pool_active(cpu->pool), thread, &from, &to);
        cpu->kernels->matmul(each, kind, activation, x, quantised, rows, from, to, out);
    }
}

static void run_product(skein_cpu *cpu, const stage *stage, int thread) {
    const skein_op *op = stage->op;
    const skein_weight *weight = op->weight;
    quant_rows rows = {0};
    if (stage->alone) rows = run_alone(cpu, stage, thread);
    if (stage->prepared) rows = rows_at(&cpu->v, &cpu->meta, 0, op->columns);
    multiply(cpu, weight, op->kind, op->activation, op->x, rows, op->rows, thread, op->out);
}

static void run_embed(skein_cpu *cpu, const skein_op *op, int from, int to) {
    for (int row = from; row < to; row++) {
        cpu->kernels->embed(op->type, op->weight, cpu->step->ids[row], op->columns, op->number,
                            op->out + (size_t)row * op->columns);
    }
}

/* A row of the table is made in room of the thread's own. */
static void run_positions(skein_cpu *cpu, const skein_op *op, int thread, int from, int to) {
    float *place = cpu->own[thread].norm.data;
    for (int row = from; row < to; row++) {
        cpu->kernels->embed(op->type, op->weight, cpu->step->positions[row], op->columns, 1, place);
        cpu->kernels->bias(place, op->columns, op->out + (size_t)row * op->columns);
    }
}

static void run_layer_norm(skein_cpu *cpu, const skein_op *op, int from, int to) {
    for (int row = from; row < to; row++) {
        size_t at = (size_t)row * op->columns;
        cpu->kernels->layer_norm(op->x + at, op->weight, op->other, op->number, op->columns, op->out + at);
    }
}

static void run_activate(skein_cpu *cpu, const skein_op *op, int from, int to) {
    for (int row = from; row < to; row++) {
        cpu->kernels->activate(op->activation, op->columns, op->out + (size_t)row * op->columns);
    }
}

static void run_bias(skein_cpu *cpu, const skein_op *op, int from, int to) {
    for (int row = from; row < to; row++) {
        cpu->kernels->bias(op->weight, op->columns, op->out + (size_t)row * op->columns);
    }
}

/* Part of a row that is a head; columns start at `at`. */
static void prepare_heads(skein_cpu *cpu, const stage *stage, const float *norm, int row, int at, int heads) {
    const skein_op *op = stage->op;
    float *here = op->out + (size_t)row * op->columns + at;
    if (stage->bias) cpu->kernels->bias((const float *)stage->bias->weight + at, heads * op->head_size, here);
    for (int i = 0; norm && i < heads; i++, here += op->head_size) {
        cpu->kernels->rms_norm(here, norm, stage->norm->number, op->head_size, 0, here);
    }
}

/* Units are key and value heads of rows, with their query heads. */
static void run_heads(skein_cpu *cpu, const stage *stage, int from, int to) {
    const skein_op *op = stage->op;
    int group = op->query_heads / op->kv_heads;
    const float *query_norm = stage->norm ? stage->norm->weight : NULL;
    const float *key_norm = stage->norm ? stage->norm->other : NULL;
    for (int unit = from; unit < to; unit++) {
        int row = unit / op->kv_heads;
        int head = unit % op->kv_heads;
        prepare_heads(cpu, stage, query_norm, row, head * group * op->head_size, group);
        prepare_heads(cpu, stage, key_norm, row, (op->query_heads + head) * op->head_size, 1);
        prepare_heads(cpu, stage, NULL, row, (op->query_heads + op->kv_heads + head) * op->head_size, 1);
        if (stage->rope) cpu->kernels->rope_store(stage->rope, cpu->step, row, head);
    }
}

static void run_attention(skein_cpu *cpu, const stage *stage, int thread) {
    int threads = pool_active(cpu->pool);
    const attention_unit *units = (attention_unit *)cpu->units.data + stage->first_unit;
    for (int unit = thread; unit < stage->units; unit += threads) { /* dealt in turn: later ones of a prompt are longer */
        cpu->kernels->attention(&stage->attention, cpu->step, units[unit], cpu->own[thread].attention.data,
                                cpu->partials.data);
    }
}

static void run_merge(skein_cpu *cpu, const stage *stage, int from, int to) {
    const skein_op *op = &stage->attention;
    int64_t stride = partial_floats(op->head_size);
    for (int unit = from; unit < to; unit++) {
        int chunks = chunks_of(seen_until(op, cpu->step, unit / op->query_heads));
        int begin = first_seen(op, cpu->step->positions[unit / op->query_heads]) / ATTENTION_CHUNK;
        cpu->kernels->attention_merge((const float *)cpu->partials.data + ((int64_t)unit * op->bound + begin) * stride,
                                      chunks - begin, op->head_size, op->out + (int64_t)unit * op->head_size);
    }
}

static void run_gather(skein_cpu *cpu, const skein_op *op, int from, int to) {
    const skein_output *outputs = cpu->step->output;
    for (int row = from; row < to; row++) {
        memcpy(op->out + (size_t)row * op->columns, op->x + (size_t)outputs[row].row * op->columns, 4 * (size_t)op->columns);
    }
}

/* Experts */

/* Rows in order of their expert: `starts[e]` is the first of expert e, `places` where each row's chosen ones are. */
typedef struct {
    int32_t *order;  /* row * chosen + i */
    int32_t *places; /* the other way round */
    int32_t *starts;
} grouping;

static int32_t *chosen_ids(const skein_cpu *cpu) { return cpu->chosen.data; }

static float *chosen_weights(const skein_cpu *cpu, const skein_op *op) {
    return (float *)cpu->chosen.data + expert_rows(op);
}

static grouping grouping_of(const skein_cpu *cpu, const skein_op *op, int thread) {
    int32_t *data = cpu->own[thread].grouping.data;
    size_t rows = expert_rows(op);
    return (grouping){data, data + rows, data + 2 * rows};
}

static void run_route(skein_cpu *cpu, const skein_op *op, int thread, int from, int to) {
    for (int row = from; row < to; row++) {
        size_t at = (size_t)row * (size_t)op->chosen;
        cpu->kernels->route((const float *)op->other + (size_t)row * op->bound, op->bound, op->chosen, op->normalised,
                            cpu->own[thread].grouping.data, chosen_ids(cpu) + at, chosen_weights(cpu, op) + at);
    }
}

static void sort_by_expert(const skein_cpu *cpu, const skein_op *op, grouping by) {
    int rows = (int)expert_rows(op);
    const int32_t *ids = chosen_ids(cpu);
    memset(by.starts, 0, 4 * (size_t)(op->bound + 1));
    for (int i = 0; i < rows; i++) by.starts[ids[i] + 1]++;
    for (int e = 0; e < op->bound; e++) by.starts[e + 1] += by.starts[e];
    for (int i = 0; i < rows; i++) {
        int place = by.starts[ids[i]]++;
        by.order[place] = i;
        by.places[i] = place;
    }
    for (int e = op->bound; e > 0; e--) by.starts[e] = by.starts[e - 1];
    by.starts[0] = 0;
}

static void run_group(skein_cpu *cpu, const skein_op *op, int thread) {
    grouping by = grouping_of(cpu, op, thread);
    sort_by_expert(cpu, op, by);
    int uses = experts_use(op, 0);
    int from;
    int to;
    share((int64_t)expert_rows(op), pool_active(cpu->pool), thread, &from, &to);
    for (int i = from; i < to; i++) {
        const float *x = op->x + (size_t)(by.order[i] / op->chosen) * op->columns;
        if (uses & USES_FLOATS) memcpy((float *)cpu->expert_x.data + (size_t)i * op->columns, x, 4 * (size_t)op->columns);
        if (uses & USES_QUANTS) {
            quant_rows rows = rows_at(&cpu->v, &cpu->meta, i, op->columns);
            cpu->kernels->quantise(x, op->columns, rows.v, rows.meta);
        }
    }
}

static void run_experts(skein_cpu *cpu, const skein_op *op, int back, int thread) {
    grouping by = grouping_of(cpu, op, thread);
    int inner = experts_inner(op);
    int columns = back ? inner : op->columns;
    const float *x = back ? cpu->expert_inner.data : cpu->expert_x.data;
    float *out = back ? cpu->expert_out.data : cpu->expert_inner.data;
    for (int e = 0; e < op->bound; e++) {
        int first = by.starts[e];
        int rows = by.starts[e + 1] - first;
        if (rows == 0) continue;
        multiply(cpu, back ? back_expert(op, e) : gated_expert(op, e), back ? SKEIN_OP_MATMUL : SKEIN_OP_GATED_MATMUL,
                 SKEIN_SILU, x + (size_t)first * columns, rows_at(&cpu->v, &cpu->meta, first, columns), rows, thread,
                 out + (size_t)first * (back ? op->columns : inner));
    }
}

static void run_experts_rows(skein_cpu *cpu, const skein_op *op, int thread) {
    int inner = experts_inner(op);
    int from;
    int to;
    share((int64_t)expert_rows(op), pool_active(cpu->pool), thread, &from, &to);
    for (int i = from; i < to; i++) {
        quant_rows rows = rows_at(&cpu->v, &cpu->meta, i, inner);
        cpu->kernels->quantise((const float *)cpu->expert_inner.data + (size_t)i * inner, inner, rows.v, rows.meta);
    }
}

static void run_combine(skein_cpu *cpu, const skein_op *op, int thread, int from, int to) {
    grouping by = grouping_of(cpu, op, thread);
    for (int row = from; row < to; row++) {
        size_t at = (size_t)row * (size_t)op->chosen;
        cpu->kernels->combine(cpu->expert_out.data, by.places + at, chosen_weights(cpu, op) + at, op->chosen, op->columns,
                              op->out + (size_t)row * op->columns);
    }
}

/* Sampling */

static sample_scratch scratch_of(own_room *own, int columns) {
    size_t ids = ((size_t)columns + 2 * LANES + 63) & ~(size_t)63;
    float *base = own->sampling.data;
    return (sample_scratch){base,
                            (int32_t *)base + ids,
                            base + 2 * ids,
                            (int32_t *)base + 3 * ids,
                            (int32_t *)base + 4 * ids,
                            (uint64_t *)(base + 5 * ids)};
}

static void run_sample(skein_cpu *cpu, const stage *stage, int thread, int from, int to) {
    sample_scratch scratch = scratch_of(cpu->own + thread, cpu->own[thread].sampling_ids);
    for (int row = from; row < to; row++) {
        skein_failure failure = {.op = stage->index};
        int32_t none = SKEIN_OK;
        int status = cpu->kernels->sample(stage->op, cpu->step, row, &scratch, &failure);
        if (status && atomic_compare_exchange_strong(&cpu->status, &none, status)) *cpu->failure = failure;
    }
}

static void run_stage(skein_cpu *cpu, const stage *stage, int thread) {
    int from;
    int to;
    const skein_op *op = stage->op;
    int64_t units = op->rows;
    if (stage->kind == STAGE_HEADS) units *= op->kv_heads;
    if (stage->kind == STAGE_MERGE) units *= op->query_heads;
    share(units, pool_active(cpu->pool), thread, &from, &to);
    switch (stage->kind) {
        case STAGE_ROWS:
            run_rows(cpu, stage, from, to);
            break;
        case STAGE_PRODUCT:
            run_product(cpu, stage, thread);
            break;
        case STAGE_EMBED:
            run_embed(cpu, op, from, to);
            break;
        case STAGE_BIAS:
            run_bias(cpu, op, from, to);
            break;
        case STAGE_LAYER_NORM:
            run_layer_norm(cpu, op, from, to);
            break;
        case STAGE_POSITIONS:
            run_positions(cpu, op, thread, from, to);
            break;
        case STAGE_ACTIVATE:
            run_activate(cpu, op, from, to);
            break;
        case STAGE_HEADS:
            run_heads(cpu, stage, from, to);
            break;
        case STAGE_ATTENTION:
            run_attention(cpu, stage, thread);
            break;
        case STAGE_MERGE:
            run_merge(cpu, stage, from, to);
            break;
        case STAGE_GATHER:
            run_gather(cpu, op, from, to);
            break;
        case STAGE_SAMPLE:
            run_sample(cpu, stage, thread, from, to);
            break;
        case STAGE_ROUTE:
            run_route(cpu, op, thread, from, to);
            break;
        case STAGE_GROUP:
            run_group(cpu, op, thread);
            break;
        case STAGE_EXPERTS_IN:
            run_experts(cpu, op, 0, thread);
            break;
        case STAGE_EXPERTS_ROWS:
            run_experts_rows(cpu, op, thread);
            break;
        case STAGE_EXPERTS_OUT:
            run_experts(cpu, op, 1, thread);
            break;
        case STAGE_COMBINE:
            run_combine(cpu, op, thread, from, to);
            break;
    }
}

static void run_stages(void *argument, int thread) {
    skein_cpu *cpu = argument;
    for (int i = 0; i < cpu->stage_count; i++) {
        if (i > 0) pool_barrier(cpu->pool, thread);
        run_stage(cpu, (const stage *)cpu->stages.data + i, thread);
    }
}

int skein_run(skein_cpu *cpu, const skein_step *step, const skein_op *ops, int32_t count, skein_failure *failure) {
    memset(failure, 0, sizeof *failure);
    int status = check(step, ops, count, failure);
    if (status) return status;
    cpu->step = step;
    cpu->failure = failure;
    atomic_store(&cpu->status, SKEIN_OK);
    status = plan(cpu, ops, count);
    if (status) return status;
    pool_run(cpu->pool, run_stages, cpu);
    return atomic_load(&cpu->status);
}
